// Users and groups, read from /etc/passwd and /etc/group.
//
// Not by getpwnam() and its like: they load shared libraries (NSS), which a static binary cannot,
// and may ask a directory server, which the loops of gateway and worker must not wait for.  A user
// that is known to such a server only has a number but no name here.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

struct User {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home;
};

// None when there is no such entry (or no such file).
std::optional<User> find_user(uid_t uid);
std::optional<User> find_user(std::string_view name);
std::optional<gid_t> find_group(std::string_view name);

// The group of a user without an entry: Debian's nogroup, which owns nothing.
constexpr gid_t no_group = 65534;

// The user with UID; without an entry one of no_group.
User user_to_act_as(uid_t uid);

// The groups of USER: its own and those that list its name.
std::vector<gid_t> groups_of(const User& user);

// "www-data", or "uid 1005" for one without a name.
std::string user_name(uid_t uid);
// The user as `chown` takes it: "www-data", or "1005" for one without a name.
std::string user_argument(uid_t uid);
// The group as `chgrp` takes it.
std::string group_argument(gid_t gid);

}  // namespace bx
