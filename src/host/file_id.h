// Which file stands at a path.
#pragma once

#include <sys/types.h>

#include <string>

namespace bx {

struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
};

// Of the file at PATH, symlinks followed; FileId{} when it cannot be told.
FileId file_id(const std::string& path);
// Of what is open at FD.  Throws Error.
FileId file_id(int fd);

// True when PATH leads to no file, or to another one than ID.  False too when it cannot be told: a
// directory may not be searched, say.
bool is_gone(const std::string& path, const FileId& id);

}  // namespace bx
