// Whether anything has changed in hooks_dir since the last look, without a look at each file.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace bx {

// Asks the kernel (inotify) to note what is made, removed, renamed, or changed in its attributes, in
// hooks_dir and its EVENT.d directories.  Where that would not show all of it (links, which lead
// elsewhere; file systems that other machines write to) or cannot be had, nothing is watched.
class HooksWatch {
public:
    // Call it before the look: what changes from now on is seen.
    void begin(const std::string& hooks_dir);
    bool watching(const std::string& hooks_dir) const { return fd_ && hooks_dir == hooks_dir_; }
    // True: HOOKS_DIR is what it was when the watch of it began.  False: it may have changed, or it
    // is not watched; nor is it any longer.
    bool unchanged(const std::string& hooks_dir);

private:
    bool is_same_directory() const;
    bool add(const std::string& dir) const;
    bool add_all() const;

    std::string hooks_dir_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    Fd fd_;  // none: nothing is watched
};

}  // namespace bx
