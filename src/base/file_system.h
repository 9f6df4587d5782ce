// What kind of file, and of file system, is at a path.
#pragma once

#include <string>

namespace bx {

// True when other machines may write to the file system of DIR at the same time (NFS, SMB, Ceph),
// or it may stand for such a one (FUSE).  False when it cannot be told: opening will say why.
bool is_shared_file_system(const std::string& dir);

}  // namespace bx
