// Notices that the running program's file was replaced by another (an upgrade).
#pragma once

#include <sys/types.h>

#include <string>

namespace bx {

class BinaryWatch {
public:
    BinaryWatch();  // throws Error when /proc does not tell what runs

    // True when another file stands at the program's path.  One that is missing, as between the two
    // steps of an upload by FTP, is not yet replaced.
    bool was_replaced() const;

private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace bx
