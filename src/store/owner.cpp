#include "store/owner.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "base/accounts.h"
#include "base/advice.h"
#include "base/error.h"
#include "base/fd.h"

namespace bx {

namespace {

std::string quoted(const std::string& path) {
    return "'" + path + "'";
}

// None when there is no such directory.
std::optional<struct stat> look_at_directory(const std::string& dir) {
    struct stat info {};
    if (::stat(dir.c_str(), &info) != 0) {
        if (errno == ENOENT) return std::nullopt;
        throw_errno("cannot look at store directory " + quoted(dir));
    }
    if (!S_ISDIR(info.st_mode)) throw Error("store directory " + quoted(dir) + " is no directory");
    return info;
}

// Makes DIR (0700).  Root makes it for the owner of its parent, who must not be root.
struct stat make_directory(const std::string& dir) {
    std::optional<struct stat> parent = look_at_directory(directory_of(dir));
    bool as_root = ::geteuid() == 0;
    if (as_root && parent && parent->st_uid == 0) {
        throw Error("store directory " + quoted(dir) +
                    " is missing and would belong to root: make it for the user the gateway runs "
                    "as: " + make_store_directory_command(dir));
    }
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
        throw_errno("cannot make store directory " + quoted(dir));
    }
    // By descriptor and only if it is a directory: its parent's owner could have put a link there.
    Fd opened(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!opened || ::fstat(opened.get(), &info) != 0) {
        throw_errno("cannot open store directory " + quoted(dir));
    }
    if (as_root && parent && info.st_uid == 0) {
        if (::fchown(opened.get(), parent->st_uid, parent->st_gid) != 0) {
            throw_errno("cannot give store directory " + quoted(dir) + " to " +
                        user_name(parent->st_uid));
        }
        info.st_uid = parent->st_uid;
        info.st_gid = parent->st_gid;
    }
    return info;
}

// Gives up root for good: real, effective and saved ids, and all of root's groups.
void become(const User& user) {
    std::vector<gid_t> groups = groups_of(user);
    bool changed = ::setgroups(groups.size(), groups.data()) == 0 &&
                   ::setresgid(user.gid, user.gid, user.gid) == 0 &&
                   ::setresuid(user.uid, user.uid, user.uid) == 0;
    if (!changed) throw_errno("cannot become " + user_name(user.uid));
    uid_t real = 0, effective = 0, saved = 0;
    gid_t real_group = 0, effective_group = 0, saved_group = 0;
    bool known = ::getresuid(&real, &effective, &saved) == 0 &&
                 ::getresgid(&real_group, &effective_group, &saved_group) == 0;
    bool all = real == user.uid && effective == user.uid && saved == user.uid &&
               real_group == user.gid && effective_group == user.gid && saved_group == user.gid;
    if (!known || !all) throw Error("cannot become " + user_name(user.uid) + " wholly");
}

}  // namespace

void become_store_owner(const std::string& seat) {
    std::string dir = directory_of(seat);
    std::optional<struct stat> found = look_at_directory(dir);
    struct stat info = found ? *found : make_directory(dir);
    uid_t self = ::geteuid();
    if (info.st_uid == self && self != 0) return;
    if (self != 0) {
        std::string owner = user_name(info.st_uid);
        throw Error("store directory " + quoted(dir) + " belongs to " + owner + ": run as " +
                    owner);
    }
    if (info.st_uid == 0) {
        throw Error("store directory " + quoted(dir) +
                    " belongs to root: give the user the gateway runs as what is its own: " +
                    give_directory_command(seat));
    }
    User nameless{"", info.st_uid, info.st_gid, ""};
    become(find_user(info.st_uid).value_or(nameless));
}

}  // namespace bx
