#include "host/store_owner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "host/accounts.h"
#include "host/advice.h"
#include "host/identity.h"

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
        throw_errno("cannot access store directory " + quoted(dir));
    }
    if (!S_ISDIR(info.st_mode)) {
        throw Error("store directory " + quoted(dir) + " is not a directory");
    }
    return info;
}

// Makes DIR (0700), for good: what is stored in it must not vanish with it when the power goes.
struct stat make_directory(const std::string& dir) {
    bool made = ::mkdir(dir.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) throw_errno("cannot make store directory " + quoted(dir));
    if (made) sync_directory(directory_of(dir));
    std::optional<struct stat> info = look_at_directory(dir);
    if (!info) throw Error("cannot make store directory " + quoted(dir) + ": a link has that name");
    return *info;
}

// The user root must become, who may be the one who has yet to make the directory.
User store_owner(const std::string& worker_files, const std::vector<Writer>& writers) {
    std::string dir = directory_of(worker_files);
    std::optional<Target> target = follow(dir);
    bool missing = !target;
    if (missing) {
        std::string parent = directory_of(dir);
        target = follow(parent);
        if (!target) throw system_error("cannot make store directory " + quoted(dir), ENOENT);
        if (target->info.st_uid == 0) {
            throw Error("store directory " + quoted(dir) +
                        " is missing and would belong to root: make it for the user the gateway "
                        "runs as: " + make_store_directory_command(dir));
        }
        dir = parent;
    }
    const struct stat& info = target->info;
    if (!S_ISDIR(info.st_mode)) {
        throw Error("store directory " + quoted(dir) + " is not a directory");
    }
    if (info.st_uid == 0) {
        throw Error("store directory " + quoted(dir) +
                    " belongs to root: give it to the user the gateway runs as: " +
                    give_directory_command(worker_files));
    }
    require_only(info.st_uid, target->writers);
    require_only(info.st_uid, writers);
    return user_to_act_as(info.st_uid);
}

}  // namespace

StoreOwner become_store_owner(const std::string& worker_files, const std::vector<Writer>& writers,
                              Missing missing) {
    if (::geteuid() == 0) become(store_owner(worker_files, writers));
    std::string dir = directory_of(worker_files);
    std::optional<struct stat> info = look_at_directory(dir);
    if (!info && missing == Missing::leave) return {};
    if (!info) info = make_directory(dir);
    if (info->st_uid == ::geteuid()) return {};
    std::string owner = user_name(info->st_uid);
    throw Error("store directory " + quoted(dir) + " belongs to " + owner + ": run as " + owner);
}

void require_store_owner(const std::string& worker_files, const std::vector<Writer>& writers) {
    if (::geteuid() == 0) store_owner(worker_files, writers);
}

}  // namespace bx
