#include "host/accounts.h"

#include <algorithm>
#include <limits>

#include "base/fd.h"
#include "base/text.h"

namespace bx {

namespace {

using Fields = std::vector<std::string_view>;

// passwd(5), group(5): fields between colons, one entry a line.
constexpr const char* passwd_file = "/etc/passwd";
constexpr const char* group_file = "/etc/group";
constexpr std::size_t passwd_fields = 7;
constexpr std::size_t group_fields = 4;

// Calls TAKE with the fields of each entry of PATH until it gives true.
template <typename Take>
void each_entry(const char* path, std::size_t field_count, Take take) {
    const std::string text = read_file_or_nothing(path);
    for (std::string_view line : split(text, '\n')) {
        Fields fields = split(line, ':');
        if (fields.size() == field_count && take(fields)) return;
    }
}

std::optional<uid_t> parse_id(std::string_view text) {
    std::optional<std::int64_t> number = parse_number(text);
    if (!number || *number > std::numeric_limits<uid_t>::max()) return std::nullopt;
    return static_cast<uid_t>(*number);
}

template <typename Matches>
std::optional<User> first_user(Matches matches) {
    std::optional<User> found;
    each_entry(passwd_file, passwd_fields, [&](const Fields& fields) {
        std::optional<uid_t> uid = parse_id(fields[2]);
        std::optional<gid_t> gid = parse_id(fields[3]);
        if (!uid || !gid || !matches(fields[0], *uid)) return false;
        found = User{std::string(fields[0]), *uid, *gid, std::string(fields[5])};
        return true;
    });
    return found;
}

}  // namespace

std::optional<User> find_user(uid_t uid) {
    return first_user([uid](std::string_view, uid_t other) { return other == uid; });
}

std::optional<User> find_user(std::string_view name) {
    return first_user([name](std::string_view other, uid_t) { return other == name; });
}

std::optional<gid_t> find_group(std::string_view name) {
    std::optional<gid_t> found;
    each_entry(group_file, group_fields, [&](const Fields& fields) {
        if (fields[0] != name) return false;
        found = parse_id(fields[2]);
        return found.has_value();
    });
    return found;
}

User user_to_act_as(uid_t uid) {
    return find_user(uid).value_or(User{"", uid, no_group, ""});
}

std::vector<gid_t> groups_of(const User& user) {
    std::vector<gid_t> groups{user.gid};
    if (user.name.empty()) return groups;
    each_entry(group_file, group_fields, [&](const Fields& fields) {
        std::optional<gid_t> gid = parse_id(fields[2]);
        std::vector<std::string_view> members = split(fields[3], ',');
        bool listed = std::ranges::find(members, user.name) != members.end();
        if (gid && listed && *gid != user.gid) groups.push_back(*gid);
        return false;
    });
    return groups;
}

std::string user_name(uid_t uid) {
    std::optional<User> user = find_user(uid);
    return user ? user->name : "uid " + std::to_string(uid);
}

std::string user_argument(uid_t uid) {
    std::optional<User> user = find_user(uid);
    return user ? user->name : std::to_string(uid);
}

std::string group_argument(gid_t gid) {
    std::string found;
    each_entry(group_file, group_fields, [&](const Fields& fields) {
        if (parse_id(fields[2]) != gid) return false;
        found = fields[0];
        return true;
    });
    return found.empty() ? std::to_string(gid) : found;
}

}  // namespace bx
