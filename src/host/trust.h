// Who can change a file: whoever may write it, and whoever can put another in its place.
//
// Root takes from files which user to become and what to start: only root and that user may be able
// to change them.  So root looks at each directory and symlink of a path as it goes through
// it, by descriptors: there is no moment between the look and the step.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "host/accounts.h"

namespace bx {

// Somebody besides root who can change what a path leads to.
struct Writer {
    std::string path;          // the file, a directory above it, a symlink that leads there
    std::optional<uid_t> uid;  // its owner; none: others may write it
    mode_t type = S_IFREG;     // of PATH
};

// Somebody can change a file who must not.  what() ends with the fix.
class UnsafeFile : public Error {
public:
    UnsafeFile(const std::string& path, const std::string& problem, const std::string& fix);
    const std::string& path() const { return path_; }
    const std::string& problem() const { return problem_; }  // "others can change it"
    const std::string& fix() const { return fix_; }          // the command, or the deed

private:
    std::string path_;
    std::string problem_;
    std::string fix_;
};

// What an absolute path leads to.
struct Target {
    Fd fd;  // O_PATH: nothing was opened
    struct stat info {};
    // Who can lead the path elsewhere, and the owner.  Of a directory its own write bits do not
    // count: they let others put files there.
    std::vector<Writer> writers;
};

// None when there is nothing; throws Error when it cannot be told.
std::optional<Target> follow(const std::string& path);

// True for a directory in which, and on the way to which, root alone can change anything.
bool is_roots_alone(const Target& dir);

// Throws UnsafeFile unless WRITERS are UID alone.
void require_only(uid_t uid, const std::vector<Writer>& writers);

// The file at PATH.  Throws UnsafeFile when others may write it, Error when it is no regular file
// (nothing else is opened) or larger than MAX.  As root it adds to WRITERS who can change it, and
// opens it as its owner, or as the first of WRITERS (of the file that names it) if there is one.
std::string read_trusted_file(const std::string& path, std::size_t max,
                              std::vector<Writer>& writers);

// As root: adds to WRITERS who can change the directory DIR, or what is in it.  Throws UnsafeFile
// when others may.  Nothing when it is missing.
void trust_directory(const std::string& dir, std::vector<Writer>& writers);

}  // namespace bx
