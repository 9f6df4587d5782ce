#include "config/file_stamp.h"

#include <sys/stat.h>

namespace bx {

namespace {

FileStamp stamp(const struct stat& status) {
    auto nanoseconds = [](const timespec& time) {
        return static_cast<long long>(time.tv_sec) * 1000000000 + time.tv_nsec;
    };
    return {static_cast<long long>(status.st_dev), static_cast<long long>(status.st_ino),
            static_cast<long long>(status.st_size), nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
}

}  // namespace

FileStamp stamp_of(const std::string& path) {
    struct stat status{};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
    return stamp(status);
}

FileStamp stamp_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) return {};
    return stamp(status);
}

}  // namespace bx
