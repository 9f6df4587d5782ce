#include "host/advice.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/clock.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "host/accounts.h"

namespace bx {

namespace {

std::string install_command(std::string_view mode, const std::string& user,
                            const std::string& group, const std::string& dir) {
    return "install -d -m " + std::string(mode) + " -o " + user + " -g " + group + " " +
           shell_word(dir);
}

struct Names {
    std::string user;
    std::string group;
};

// Those of NAME; without a name of the user that gateway and worker are to run as.
Names names_of(const std::string& name) {
    std::optional<User> user = find_user(name.empty() ? "bxhook" : name);
    if (user) return {user->name, group_argument(user->gid)};
    return name.empty() ? Names{"USER", "GROUP"} : Names{name, "GROUP"};
}

}  // namespace

std::string make_directory_command(const std::string& dir, std::string_view mode) {
    return install_command(mode, user_argument(::geteuid()), group_argument(::getegid()), dir);
}

std::string make_store_directory_command(const std::string& dir) {
    Names names = names_of("");
    return install_command("700", names.user, names.group, dir);
}

std::string give_directory_command(const std::string& worker_files, const std::string& user) {
    std::string dir = directory_of(worker_files);
    Names names = names_of(user);
    if (!has_own_directory(worker_files)) {
        return install_command("700", names.user, names.group, absolute_path(dir, "bxhook")) +
               ", and set `store` to a file in it";
    }
    // Its group is the login group, which a bare number has not.
    bool has_login = !parse_number(names.user);
    return "chown -R " + names.user + (has_login ? ": " : " ") + shell_word(dir);
}

std::string give_group_command(const std::string& path, gid_t group) {
    return "chgrp " + group_argument(group) + ' ' + shell_word(path);
}

bool has_own_directory(const std::string& worker_files) {
    constexpr std::array<std::string_view, 5> beside{"bxhook.log", "worker.", "outputs", "web-key",
                                                     "spool.db"};
    std::string dir = directory_of(worker_files);
    if (directory_of(dir) == "/") return false;  // /srv, /home: never one's own
    std::string stem = worker_files.substr(worker_files.rfind('/') + 1);
    std::error_code error;
    std::filesystem::directory_iterator entry(dir, error);
    for (; !error && entry != end(entry); entry.increment(error)) {
        std::string name = entry->path().filename();
        bool ours = name.starts_with(stem) || std::ranges::any_of(beside, [&](auto begin) {
            return name.starts_with(begin);
        });
        if (!ours) return false;
    }
    return !error;
}

std::string sed_command(std::string_view script, const std::string& path) {
    std::error_code error;
    std::filesystem::path file = std::filesystem::canonical(path, error);
    return "LC_ALL=C sed -i " + shell_word(script) + " " + shell_word(error ? path : file.string());
}

std::string dated(const std::string& path) {
    struct stat info {};
    std::string text = "'" + path + "'";
    if (::stat(path.c_str(), &info) != 0) return text;
    return text + " (of " + iso_time(info.st_mtim.tv_sec * second) + ", " +
           std::to_string(info.st_size) + " bytes)";
}

bool is_older(const std::string& one, const std::string& other) {
    struct stat mine {}, theirs {};
    if (::stat(one.c_str(), &mine) != 0 || ::stat(other.c_str(), &theirs) != 0) return false;
    const timespec& a = mine.st_mtim;
    const timespec& b = theirs.st_mtim;
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

std::string disable_command(const std::string& path) {
    return "mv -nT " + shell_word(path) + " " + shell_word(path + ".disabled");
}

std::string compare_command(const std::string& one, const std::string& other) {
    return "ls -ld " + shell_word(one) + " " + shell_word(other);
}

}  // namespace bx
