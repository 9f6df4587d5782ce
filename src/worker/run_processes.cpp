#include "worker/run_processes.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace bx {

namespace {

// How often to look for the environment of a process that is becoming another program: 50 ms in all,
// for on a loaded machine it waits for its turn in the middle of it.
constexpr int most_looks = 100;
constexpr useconds_t between_looks = 500;
constexpr std::int64_t kernel_thread = 0x00200000;  // PF_KTHREAD, linux/sched.h

struct Stat {
    bool alive = false;  // and no thread of the kernel's own
    pid_t session = 0;
    bool has_no_environment = false;  // or none that we may read
};

// FIELDS of /proc/PID/stat, from `state` on.  startcode is 0 while a process becomes another program:
// the kernel sets it after the environment, which is empty until then (fs/binfmt_elf.c, and stat
// reads it first); it is 1 where the kernel keeps these addresses, and the environment, from us.
bool lacks_environment(const std::vector<std::string_view>& fields) {
    constexpr std::size_t startcode = 23, env_start = 47, env_end = 48;  // 26, 50, 51 in proc(5)
    if (fields.size() <= env_end) return false;
    return fields[startcode] == "1" ||
           (fields[startcode] != "0" && fields[env_start] == fields[env_end]);
}

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
    return {alive, static_cast<pid_t>(parse_number(fields[3]).value_or(0)),
            lacks_environment(fields)};
}

bool has_variable(std::string_view environment, const std::string& variable) {
    for (std::string_view entry : split(environment, '\0')) {
        if (entry == variable) return true;
    }
    return false;
}

// The environment of the process in DIR; nothing while it may yet have one.
std::optional<std::string> environment_of(const std::string& dir) {
    std::string environment = read_file_or_nothing(dir + "/environ");
    if (!environment.empty()) return environment;
    const Stat stat = stat_of(dir);
    if (stat.alive && !stat.has_no_environment) return std::nullopt;
    return environment;
}

struct Starting {
    pid_t pid = 0;
    std::string dir;
};

// Of STARTING those that carry VARIABLE after all.  They are looked at again, all of them together:
// one wait serves however many there are.
void take_late(std::vector<Starting> starting, const std::string& variable,
               std::vector<pid_t>& found) {
    for (int looks = 1; looks < most_looks && !starting.empty(); ++looks) {
        ::usleep(between_looks);
        std::erase_if(starting, [&](const Starting& process) {
            const std::optional<std::string> environment = environment_of(process.dir);
            if (environment && has_variable(*environment, variable)) found.push_back(process.pid);
            return environment.has_value();
        });
    }
}

bool is_ours(const std::string& dir) {
    struct stat info {};
    return ::stat(dir.c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

std::vector<pid_t> find_processes(pid_t session, const std::string& variable) {
    struct Closer {
        void operator()(DIR* handle) const { ::closedir(handle); }
    };
    std::unique_ptr<DIR, Closer> proc(::opendir("/proc"));
    if (!proc) throw_errno("cannot read /proc");
    std::vector<pid_t> found;
    std::vector<Starting> starting;
    while (const dirent* entry = ::readdir(proc.get())) {
        auto pid = static_cast<pid_t>(parse_number(entry->d_name).value_or(0));
        if (pid <= 0 || pid == ::getpid()) continue;
        std::string dir = std::string("/proc/") + entry->d_name;
        if (!is_ours(dir)) continue;
        const Stat stat = stat_of(dir);
        if (!stat.alive) continue;
        if (session > 0 && stat.session == session) {
            found.push_back(pid);
            continue;
        }
        const std::optional<std::string> environment = environment_of(dir);
        if (!environment) starting.push_back({pid, std::move(dir)});
        else if (has_variable(*environment, variable)) found.push_back(pid);
    }
    take_late(std::move(starting), variable, found);
    return found;
}

}  // namespace

std::vector<pid_t> processes_of(pid_t session, const std::string& run) {
    return find_processes(session, "BX_RUN=" + run);
}

std::vector<pid_t> processes_with(const std::string& variable) {
    return find_processes(0, variable);
}

std::size_t signal_run(pid_t session, const std::string& run, int signal) {
    std::vector<pid_t> processes = processes_of(session, run);
    for (pid_t pid : processes) ::kill(pid, signal);
    return processes.size();
}

}  // namespace bx
