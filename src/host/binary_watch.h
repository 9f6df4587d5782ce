// Notices that the running program's file was replaced by another (an upgrade).
#pragma once

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>

#include "base/clock.h"

namespace bx {

class BinaryWatch {
public:
    BinaryWatch();  // throws Error when /proc does not tell what runs

    // True when another file stands at the program's path, or this one was written over, and it has
    // not changed for a second: one that is still being uploaded is not to be started.  One that
    // is missing, as between the two steps of an upload by FTP, is not yet replaced.  Call it again
    // and again.
    bool was_replaced();
    // The file at the program's path may be executed.
    bool may_start() const;

private:
    struct Stamp {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        time_t seconds = 0;  // of the last change of its bytes; that of its mode is no upgrade
        long nanoseconds = 0;
        bool operator==(const Stamp&) const = default;
    };
    static std::optional<Stamp> stamp_of(const std::string& path);

    std::string path_;
    Stamp running_;
    std::optional<Stamp> seen_;  // the last one that was another
    Timer settled_;              // due: it has not changed for long enough
};

}  // namespace bx
