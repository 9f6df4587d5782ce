// What tells whether a file is still the one that was read.
#pragma once

#include <string>

namespace bx {

struct FileStamp {
    long long device = 0, inode = 0, size = -1, mtime_ns = 0, ctime_ns = 0;
    bool operator==(const FileStamp&) const = default;
};

// Of the file at PATH, or open at FD; one of no file, where there is none.
FileStamp stamp_of(const std::string& path);
FileStamp stamp_of(int fd);

}  // namespace bx
