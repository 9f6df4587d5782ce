#include "host/binary_watch.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"

namespace bx {

BinaryWatch::BinaryWatch() : path_(own_binary()) {
    struct stat info {};
    if (::stat("/proc/self/exe", &info) != 0) throw_errno("cannot access the running program");
    device_ = info.st_dev;
    inode_ = info.st_ino;
}

bool BinaryWatch::was_replaced() const {
    struct stat info {};
    if (::stat(path_.c_str(), &info) != 0) return false;
    return info.st_dev != device_ || info.st_ino != inode_;
}

}  // namespace bx
