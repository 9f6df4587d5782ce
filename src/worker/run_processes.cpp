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

// How often to look for environments; and how often a command line must have been there without one
// to believe that a process has none.
constexpr int most_looks = 20;
constexpr int sure = 6;
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

bool has_variable(std::string_view environment, const std::string& variable) {
    for (std::string_view entry : split(environment, '\0')) {
        if (entry == variable) return true;
    }
    return false;
}

// A process that showed no environment.
struct Bare {
    pid_t pid = 0;
    std::string dir;
    int named = 0;  // how often it showed a command line all the same
};

// Looks at PROCESS once more: its environment, none while it may yet have one, and an empty one
// when it has none, or is dead.
std::optional<std::string> look(Bare& process) {
    std::string environment = read_file_or_nothing(process.dir + "/environ");
    if (!environment.empty() || !stat_of(process.dir).alive) return environment;
    if (!read_file_or_nothing(process.dir + "/cmdline").empty()) ++process.named;
    if (process.named < sure) return std::nullopt;
    return environment;
}

// Of BARE those that carry VARIABLE after all.  A process that becomes another program has neither
// environment nor command line for a moment; one that is dying has them no more, and is dead soon.
// So they are looked at again, all of them together: one wait serves however many there are.
void take_late(std::vector<Bare> bare, const std::string& variable, std::vector<pid_t>& found) {
    for (int looks = 1; looks < most_looks && !bare.empty(); ++looks) {
        ::usleep(between_looks);
        std::erase_if(bare, [&](Bare& process) {
            const std::optional<std::string> environment = look(process);
            if (environment && has_variable(*environment, variable)) found.push_back(process.pid);
            return environment.has_value();
        });
    }
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
    std::vector<Bare> bare;
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
        Bare process{pid, dir};
        const std::optional<std::string> environment = look(process);
        if (!environment) bare.push_back(std::move(process));
        else if (has_variable(*environment, variable)) found.push_back(pid);
    }
    take_late(std::move(bare), variable, found);
    return found;
}

std::size_t signal_run(pid_t session, const std::string& run, int signal) {
    std::vector<pid_t> processes = processes_of(session, run);
    for (pid_t pid : processes) ::kill(pid, signal);
    return processes.size();
}

}  // namespace bx
