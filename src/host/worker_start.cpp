#include "host/worker_start.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "host/own_program.h"
#include "host/start_program.h"
#include "host/worker_lock.h"

namespace bx {

namespace {

constexpr Millis start_limit = 5 * second;
constexpr std::chrono::milliseconds start_step{1};

// The last line that the process in between, which has ended, wrote to the pipe FD: why it failed,
// "bxhook: /srv/bx/bxhook.conf: ...", without the program's name.  Empty: it wrote nothing.
std::string last_words(int fd) {
    std::array<char, 4096> text{};
    const ssize_t size = ::read(fd, text.data(), text.size());
    if (size <= 0) return {};
    std::string_view line = trim(std::string_view(text.data(), static_cast<std::size_t>(size)));
    line = line.substr(line.rfind('\n') + 1);
    constexpr std::string_view name = "bxhook: ";
    return std::string(line.starts_with(name) ? line.substr(name.size()) : line);
}

// Waits for the process in between, which takes milliseconds unless it was stopped or its disk
// hangs.  Where SIGCHLD is ignored the kernel reaps it: ECHILD, and nobody learns its status.  ERRORS
// is its stderr, a pipe that does not block.
void expect_success(pid_t pid, int errors) {
    int status = 0;
    pid_t reaped = 0;
    const Millis end = steady_now() + start_limit;
    while ((reaped = ::waitpid(pid, &status, WNOHANG)) == 0 || (reaped < 0 && errno == EINTR)) {
        if (steady_now() >= end) {
            throw Error("cannot start a worker: it did not start within " +
                        duration_text(start_limit));
        }
        std::this_thread::sleep_for(start_step);
    }
    if (reaped < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
    if (const std::string why = last_words(errors); !why.empty()) {
        throw Error("cannot start a worker: " + why);
    }
    const bool exited = WIFEXITED(status);
    throw Error("cannot start a worker: it ended with " +
                (exited ? "exit status " + std::to_string(WEXITSTATUS(status))
                        : "signal " + std::to_string(WTERMSIG(status))) +
                "; 'bxhook check' looks for the cause");
}

}  // namespace

void start_worker(const std::string& config_path) {
    Pipe errors = make_pipe();
    set_nonblocking(errors.read.get(), true);
    const Started worker = start_program(
        {.program = own_program(),
         .argv = {own_binary(), "work", "--detach", "--config", config_path},
         .env = own_environment(),
         .fds = {null_device, null_device, errors.write.get()}});
    if (worker.error != 0) throw system_error("cannot start a worker", worker.error);
    expect_success(worker.pid, errors.read.get());
}

void summon_worker(const std::string& worker_files, const std::string& config_path, bool auto_start) {
    if (wake_worker(worker_files) == WakeResult::no_worker && auto_start) start_worker(config_path);
}

}  // namespace bx
