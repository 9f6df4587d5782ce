#include "host/worker_start.h"

#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "host/own_program.h"
#include "host/start_program.h"
#include "host/worker_lock.h"

namespace bx {

namespace {

constexpr Millis start_limit = 5 * second;
constexpr std::chrono::milliseconds start_step{1};

// Waits for the process in between, which takes milliseconds unless it was stopped or its disk
// hangs.  Where SIGCHLD is ignored the kernel reaps it: ECHILD, and nobody learns its status.
void expect_success(pid_t pid) {
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
    const bool exited = WIFEXITED(status);
    throw Error("cannot start a worker: it ended with " +
                (exited ? "exit status " + std::to_string(WEXITSTATUS(status))
                        : "signal " + std::to_string(WTERMSIG(status))) +
                "; its log says why");
}

}  // namespace

void start_worker(const std::string& config_path) {
    const Started worker = start_program(
        {.program = own_program(),
         .argv = {own_binary(), "work", "--detach", "--config", config_path},
         .env = own_environment(),
         .fds = {null_device, null_device, null_device}});
    if (worker.error != 0) throw system_error("cannot start a worker", worker.error);
    expect_success(worker.pid);
}

void summon_worker(const std::string& worker_files, const std::string& config_path, bool auto_start) {
    if (wake_worker(worker_files) == WakeResult::no_worker && auto_start) start_worker(config_path);
}

}  // namespace bx
