#include "worker/warden.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "host/detach.h"
#include "worker/run_processes.h"

namespace bx {

namespace {

// A child that was being started when the worker died shows its run only once it is another
// program.
constexpr Millis last_look = second;
constexpr useconds_t pause_us = 50'000;

using Runs = std::map<std::string, pid_t>;  // their sessions, 0 while none is known

// "+RUN SESSION" or "-RUN"
void take(std::string_view line, Runs& runs) {
    if (line.empty()) return;
    const std::vector<std::string_view> words = split(line.substr(1), ' ');
    if (line[0] == '-') runs.erase(std::string(words[0]));
    if (line[0] == '+' && words.size() == 2) {
        runs[std::string(words[0])] = static_cast<pid_t>(parse_number(words[1]).value_or(0));
    }
}

// Until the worker's end of the pipe is closed.
Runs listen(int fd) {
    Runs runs;
    std::string text;
    char part[4096];
    ssize_t count = 0;
    while ((count = ::read(fd, part, sizeof part)) > 0 || (count < 0 && errno == EINTR)) {
        text.append(part, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        std::size_t end = 0;
        while ((end = text.find('\n')) != std::string::npos) {
            take(std::string_view(text).substr(0, end), runs);
            text.erase(0, end + 1);
        }
    }
    return runs;
}

[[noreturn]] void be_warden(int fd) {
    try {
        for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::signal(signal, SIG_IGN);
        const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        for (int output : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), output);
        ::dup2(fd, STDIN_FILENO);
        close_inherited_descriptors();
        const Runs runs = listen(STDIN_FILENO);
        if (runs.empty()) ::_exit(0);
        for (const Millis end = steady_now() + last_look; steady_now() < end; ::usleep(pause_us)) {
            for (const auto& [run, session] : runs) signal_run(session, run, SIGKILL);
        }
    } catch (...) {
    }
    ::_exit(0);
}

}  // namespace

Warden::Warden() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
    Fd theirs(ends[0]);
    pipe_ = Fd(ends[1]);
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("cannot fork");
    if (pid_ == 0) {
        pipe_.reset();
        be_warden(theirs.get());
    }
    // It must not hold up a worker, whatever becomes of it.
    set_nonblocking(pipe_.get(), true);
}

Warden::~Warden() {
    pipe_.reset();
    ::waitpid(pid_, nullptr, 0);
}

void Warden::watch(const std::string& run, pid_t session) {
    say("+" + run + " " + std::to_string(session));
}

void Warden::forget(const std::string& run) { say("-" + run); }

// A warden that is gone or stuck leaves the worker as it would be without one.
void Warden::say(const std::string& line) {
    static_cast<void>(write_all(pipe_.get(), line + "\n"));
}

}  // namespace bx
