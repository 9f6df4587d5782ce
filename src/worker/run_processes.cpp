#include "worker/run_processes.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace bx {

namespace {

// How often to look for a process's environment; and how often a command line must have been there
// without one to believe that it has none.
constexpr int most_looks = 20;
constexpr int sure = 3;
constexpr useconds_t between_looks = 500;
constexpr std::int64_t kernel_thread = 0x00200000;  // PF_KTHREAD, linux/sched.h

struct Stat {
    bool alive = false;  // and no thread of the kernel's own
    pid_t session = 0;
};

Stat stat_of(const std::string& dir) {
    std::string text = read_file_or_nothing(dir + "/stat");
    // The second field is the program's name in parentheses and may hold anything.
    std::size_t name_end = text.rfind(") ");
    if (name_end == std::string::npos) return {};
    std::vector<std::string_view> fields = split(std::string_view(text).substr(name_end + 2), ' ');
    // state ppid pgrp session tty_nr tpgid flags ... (proc(5))
    if (fields.size() < 7) return {};
    bool alive = fields[0] != "Z" && fields[0] != "X" &&
                 (parse_number(fields[6]).value_or(0) & kernel_thread) == 0;
    return {alive, static_cast<pid_t>(parse_number(fields[3]).value_or(0))};
}

// A process that becomes another program has neither environment nor command line for a moment; one
// that is dying has them no more, and is dead soon.  One without environment is looked at again: it
// may have changed between our questions.
std::string environment_of(const std::string& dir) {
    std::string environment;
    for (int look = 0, named = 0; look < most_looks && named < sure; ++look) {
        if (look > 0) ::usleep(between_looks);
        environment = read_file_or_nothing(dir + "/environ");
        if (!environment.empty() || !stat_of(dir).alive) break;
        if (!read_file_or_nothing(dir + "/cmdline").empty()) ++named;
    }
    return environment;
}

bool has_variable(const std::string& dir, const std::string& variable) {
    const std::string environment = environment_of(dir);
    for (std::string_view entry : split(environment, '\0')) {
        if (entry == variable) return true;
    }
    return false;
}

bool is_ours(const std::string& dir) {
    struct stat info {};
    return ::stat(dir.c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

}  // namespace

std::vector<pid_t> processes_of(pid_t session, const std::string& run) {
    struct Closer {
        void operator()(DIR* handle) const { ::closedir(handle); }
    };
    std::unique_ptr<DIR, Closer> proc(::opendir("/proc"));
    if (!proc) throw_errno("cannot read /proc");
    const std::string variable = "BX_RUN=" + run;
    std::vector<pid_t> found;
    while (const dirent* entry = ::readdir(proc.get())) {
        auto pid = static_cast<pid_t>(parse_number(entry->d_name).value_or(0));
        if (pid <= 0 || pid == ::getpid()) continue;
        std::string dir = std::string("/proc/") + entry->d_name;
        if (!is_ours(dir)) continue;
        Stat stat = stat_of(dir);
        bool in_session = session > 0 && stat.session == session;
        if (stat.alive && (in_session || has_variable(dir, variable))) found.push_back(pid);
    }
    return found;
}

std::size_t signal_run(pid_t session, const std::string& run, int signal) {
    std::vector<pid_t> processes = processes_of(session, run);
    for (pid_t pid : processes) ::kill(pid, signal);
    return processes.size();
}

}  // namespace bx
