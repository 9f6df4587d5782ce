#include "host/file_id.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"

namespace bx {

FileId file_id(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino};
}

FileId file_id(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) throw_errno("cannot look at an open file");
    return {info.st_dev, info.st_ino};
}

bool is_gone(const std::string& path, const FileId& id) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR;
    return FileId{info.st_dev, info.st_ino} != id;
}

}  // namespace bx
