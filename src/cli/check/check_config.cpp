#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/fd.h"
#include "base/shell.h"
#include "cli/check/findings.h"
#include "host/accounts.h"
#include "host/trust.h"

namespace bx {

namespace {

// PROBLEM of the config at PATH: one of a line names its file itself, one of a key does not.
Problem placed_in_file(const Problem& problem, const std::string& path) {
    if (!problem.fix.empty()) return problem;
    return {problem.level, path, to_string(problem), edit_command(path)};
}

// `init` makes a config of that name only, and as root it must be told the user.
std::string fix_of_missing(const std::string& path) {
    const std::string dir = directory_of(path);
    if (!path.ends_with("/bxhook.conf")) return "ls -la " + shell_word(dir);
    std::string user;
    if (::geteuid() == 0) user = find_user("bxhook") ? " --user bxhook" : " --user USER";
    return typed_program() + " init " + shell_word(dir) + user;
}

// What of PATH this process may not enter or read: a directory above it, or PATH itself.
std::string closed_part(const std::string& path) {
    std::string closed = path;
    for (std::string dir = directory_of(path); dir.size() > 1; dir = directory_of(dir)) {
        if (::access(dir.c_str(), X_OK) != 0) closed = dir;
    }
    return closed;
}

// Where it is another user's, that user or root can read it; of one's own there is no need of root.
std::string fix_of_closed(const std::string& path, const Findings& findings) {
    const std::string closed = closed_part(path);
    struct stat info {};
    const bool own = ::stat(closed.c_str(), &info) == 0 && info.st_uid == ::geteuid();
    if (own || ::geteuid() == 0) return "ls -la " + shell_word(closed);
    return "sudo " + findings.command();
}

std::string fix_of_unreadable(const std::string& path, const Findings& findings) {
    if (::access(path.c_str(), R_OK) == 0) return "ls -la " + shell_word(path);
    if (errno == ENOENT) return fix_of_missing(path);
    if (errno == EACCES) return fix_of_closed(path, findings);
    return "ls -la " + shell_word(path);
}

}  // namespace

Loaded check_config(const std::string& path, Findings& findings) {
    try {
        return {load_config(path, ConfigPart::all), true};
    } catch (const UnsafeFile& error) {
        findings.error(error.path(), error.problem(), error.fix());
        return {};
    } catch (const ConfigError& error) {
        for (const Problem& problem : error.problems()) {
            findings.add(placed_in_file(problem, path));
        }
    } catch (const Error& error) {
        findings.error(path, error.what(), fix_of_unreadable(path, findings));
        return {};
    }
    try {
        return {load_config(path, ConfigPart::gateway), false};
    } catch (const Error&) {
        return {};  // found already
    }
}

bool is_draft(const Config& config) {
    const std::string live = absolute_path(directory_of(config.path), "bxhook.conf");
    struct stat one {};
    struct stat other {};
    if (::stat(config.path.c_str(), &one) != 0 || ::stat(live.c_str(), &other) != 0) return false;
    if (one.st_dev == other.st_dev && one.st_ino == other.st_ino) return false;
    try {
        return load_config(live, ConfigPart::gateway)->store == config.store;
    } catch (const Error&) {
        return true;
    }
}

}  // namespace bx
