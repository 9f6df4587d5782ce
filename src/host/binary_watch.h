// Notices that the running program's file was replaced by another (an upgrade).
#pragma once

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "host/program_trial.h"

namespace bx {

class BinaryWatch {
public:
    // GIVES_RIGHT: a file of ours that may not be executed, as FTP leaves it, gets that right.
    explicit BinaryWatch(bool gives_right = false);  // throws Error when /proc does not tell what runs

    // True when another file stands at the program's path, or this one was written over, it has not
    // changed for a second (one that is still being uploaded is not to be started), it may be
    // executed, and it says its version when it is.  One that is missing, as between the two steps of
    // an upload by FTP, is not yet replaced.  Call it again and again.
    bool was_replaced();
    // The program there cannot run; true once for each.
    bool take_refusal() { return std::exchange(refused_, false); }

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
    bool may_run() const;
    bool start_trial();
    void refuse();

    std::string path_;
    Stamp running_;
    std::optional<Stamp> seen_;  // the last one that was another
    Timer settled_;              // due: it has not changed for long enough
    const bool gives_right_;
    ProgramTrial trial_;         // of the one seen
    bool judged_ = false;
    Timer again_{Timer::never};  // when one that could not run is tried once more
    bool refused_ = false;
};

// Says so in the log of whoever goes on as it is.
void log_new_program_refused(Log& log);

}  // namespace bx
