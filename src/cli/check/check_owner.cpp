#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "base/shell.h"
#include "cli/check/findings.h"
#include "host/accounts.h"
#include "host/advice.h"
#include "host/store_owner.h"

namespace bx {

namespace {

// sudo(8) wants a `#` before a number.
std::string sudo_user(uid_t uid) {
    return find_user(uid) ? user_name(uid) : shell_word("#" + user_argument(uid));
}

// The file may be root's, and stays it: its group is let in, as the Debian package has it.
std::string let_read_command(const std::string& path) {
    for (std::string dir = directory_of(path); dir != "/"; dir = directory_of(dir)) {
        if (::access(dir.c_str(), X_OK) != 0) return "ls -ld " + shell_word(dir);
    }
    // Others may have that group as well.
    if (::getegid() == no_group) {
        return "chown " + user_argument(::geteuid()) + " " + shell_word(path);
    }
    return give_group_command(path, ::getegid()) + " && chmod g+r " + shell_word(path);
}

// Why this process cannot be the store's owner, and what to do.
void report_owner_problem(const Config& config, const std::string& problem, Findings& findings) {
    std::string dir = directory_of(config.store.worker_files);
    struct stat info {};
    std::string fix;
    if (::stat(dir.c_str(), &info) != 0) {
        fix = make_store_directory_command(dir);
    } else if (info.st_uid == 0) {
        fix = give_directory_command(config.store.worker_files);
    } else if (::geteuid() == 0) {
        fix = "ls -ld " + shell_word(dir);
    } else {
        fix = "sudo -u " + sudo_user(info.st_uid) + " " + findings.command();
    }
    findings.error(config.store.for_people(), problem, fix);
}

// By the user that reads it for good, which this process is now.
void report_if_unreadable(const std::string& path, Findings& findings) {
    if (::access(path.c_str(), R_OK) == 0) return;
    findings.error(path, user_name(::geteuid()) + ", who owns the store, cannot read it",
                   let_read_command(path));
}

}  // namespace

bool become_owner(const Config& config, Findings& findings) {
    try {
        become_store_owner(config.store.worker_files, config.writers, Missing::leave);
    } catch (const UnsafeFile& error) {
        findings.error(error.path(), error.problem(), error.fix());
        return false;
    } catch (const Error& error) {
        report_owner_problem(config, error.what(), findings);
        return false;
    }
    report_if_unreadable(config.path, findings);
    if (!config.portals_file.empty()) report_if_unreadable(config.portals_file, findings);
    return true;
}

}  // namespace bx
