#include "hooks/start_problem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "hooks/first_line.h"
#include "hooks/hooks.h"
#include "host/accounts.h"
#include "host/advice.h"

namespace bx {

namespace {

std::string chown_command(const std::string& path) {
    return "chown -h " + user_argument(::geteuid()) + ' ' + shell_word(path);
}

// A home that is closed to others, more often than the program itself.
StartProblem out_of_reach(const std::string& program, int error) {
    std::string closed;
    for (std::string dir = directory_of(program); dir != "/"; dir = directory_of(dir)) {
        if (::faccessat(AT_FDCWD, dir.c_str(), X_OK, AT_EACCESS) != 0) closed = dir;
    }
    std::string message = system_error("cannot access it", error).what();
    if (!closed.empty()) {
        message += ": '" + printable(closed) + "' is closed to " + user_name(::geteuid());
    }
    return {StartFault::unreadable, message, "namei -l " + shell_word(program)};
}

bool is_mounted_noexec(const std::string& path) {
    struct statvfs system {};
    return ::statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
}

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_trusted(uid_t owner) {
    return owner == 0 || owner == ::geteuid();
}

// The command that makes PATH safe; none when it is.  Both a symlink and what it leads to count.
std::optional<std::string> unsafe(const std::string& path) {
    struct stat link {};
    bool there = ::lstat(path.c_str(), &link) == 0;
    struct stat target = link;
    if (there && S_ISLNK(link.st_mode)) there = ::stat(path.c_str(), &target) == 0;
    if (!there) return "ls -ld " + shell_word(path);
    if (!is_trusted(link.st_uid)) return chown_command(path);
    if (!is_trusted(target.st_uid)) {
        return "chown " + user_argument(::geteuid()) + ' ' + shell_word(path);
    }
    if ((target.st_mode & (S_IWGRP | S_IWOTH)) == 0) return std::nullopt;
    // /tmp and its like, which everybody needs as they are.
    if ((target.st_mode & S_ISVTX) != 0) {
        return "keep hooks in a directory of their own, and set hooks_dir to it";
    }
    return "chmod go-w " + shell_word(path);
}

std::optional<std::string> unsafe_from(const std::string& hooks_dir, const std::string& program) {
    std::string path = program;
    if (std::optional<std::string> fix = unsafe(path)) return fix;
    while (path != hooks_dir && path.size() > hooks_dir.size()) {
        path = directory_of(path);
        if (std::optional<std::string> fix = unsafe(path)) return fix;
    }
    return std::nullopt;
}

constexpr std::size_t max_line = 256;  // BINPRM_BUF_SIZE

// What follows "#!" on the first line of a script that begins so; empty for a binary.
std::string first_line_of(std::string_view line) {
    if (!line.starts_with("#!")) return {};
    line = line.substr(2, line.find('\n') - 2);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return std::string(line);
}

// With LINE the kernel, or the program `env`, looks for "php\r".  Other interpreters get the CR in
// an argument, and some do not mind.
bool names_windows_end(std::string_view line) {
    if (!line.ends_with('\r')) return false;
    const std::size_t blank = line.find_first_of(" \t");
    if (blank == std::string_view::npos) return true;
    const std::string_view argument = trim(line.substr(blank));
    return line.substr(0, blank).ends_with("/env") && !argument.starts_with('-');
}

// A file that is empty, or cannot be read, is left to the kernel.
bool is_text(std::string_view begin) {
    return !begin.empty() && begin.find('\0') == std::string_view::npos;
}

std::optional<StartProblem> bad_interpreter(const Hook& hook) {
    const std::string& program = hook.program;
    const std::string begin = first_bytes(program, max_line);
    if (begin.starts_with(byte_order_mark)) {
        return StartProblem{StartFault::bad_interpreter,
                            "bad interpreter: the script begins with a byte order mark, save it "
                            "as UTF-8 without BOM",
                            sed_command("1s/^...//", program)};
    }
    if (is_text(begin) && !begin.starts_with("#!")) {
        return StartProblem{StartFault::bad_interpreter,
                            "bad interpreter: neither a binary nor a script that begins with #!; " +
                                first_line_advice(hook, begin),
                            edit_command(program)};
    }
    const std::string line = first_line_of(begin);
    const std::string interpreter = line.substr(0, line.find_first_of(" \t"));
    const bool windows = names_windows_end(line);
    const bool there = !windows && ::access(interpreter.c_str(), X_OK) == 0;
    if (interpreter.empty() || there) return std::nullopt;
    if (windows) {
        return StartProblem{StartFault::bad_interpreter,
                            "bad interpreter: the script has Windows line ends (CRLF), save it "
                            "with Unix line ends (LF)",
                            sed_command("s/[[:cntrl:]]$//", program)};
    }
    return StartProblem{StartFault::bad_interpreter,
                        "bad interpreter '" + printable(interpreter) + "'", edit_command(program)};
}

}  // namespace

std::string make_executable_fix(const std::string& program) {
    struct stat info {};
    if (::stat(program.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return "ls -ld " + shell_word(program);
    }
    if (is_mounted_noexec(program)) {
        return "its file system is mounted noexec ('findmnt -T " + shell_word(program) +
               "' shows it): move it to another, and set hooks_dir or run";
    }
    // The owner's bit does not help a worker that runs as another user.
    return (info.st_uid == ::geteuid() ? "chmod u+x " : "chmod a+rx ") + shell_word(program);
}

std::optional<StartProblem> start_problem(const Hook& hook, const std::string& hooks_dir) {
    const std::string& program = hook.program;
    struct stat info {};
    if (program.empty() || ::stat(program.c_str(), &info) != 0) {
        if (program.empty() || errno == ENOENT || errno == ENOTDIR) {
            return StartProblem{StartFault::missing, "missing",
                                "put the program at " + shell_word(program)};
        }
        return out_of_reach(program, errno);
    }
    std::optional<std::string> fix =
        hook.from_dir ? unsafe_from(hooks_dir, program) : unsafe(program);
    if (fix) return StartProblem{StartFault::unsafe_permissions, "unsafe permissions", *fix};
    if (!S_ISREG(info.st_mode) ||
        ::faccessat(AT_FDCWD, program.c_str(), X_OK, AT_EACCESS) != 0) {
        return StartProblem{StartFault::not_executable, "not executable",
                            make_executable_fix(program)};
    }
    return bad_interpreter(hook);
}

}  // namespace bx
