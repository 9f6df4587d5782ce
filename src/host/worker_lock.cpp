#include "host/worker_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/error.h"
#include "host/child.h"
#include "host/signals.h"

namespace bx {

namespace {

// worker_runs() holds the lock for an instant: a taker looks again before it believes in another
// worker.
constexpr Millis least_wait = 50;
constexpr std::chrono::milliseconds lock_step{5};
constexpr Millis start_limit = 5 * second;
constexpr std::chrono::milliseconds start_step{1};

std::string lock_path(const std::string& store_path) { return store_path + ".lock"; }
std::string wake_path(const std::string& store_path) { return store_path + ".wake"; }

bool is_fifo(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

// -- The worker's side

WorkerLock::WorkerLock(const std::string& store_path, Millis wait) : store_path_(store_path) {
    const std::string path = lock_path(store_path);
    Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock) throw_errno("cannot open '" + path + "'");
    const Millis end = steady_now() + std::max(wait, least_wait);
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("cannot lock '" + path + "'");
        if (steady_now() >= end) return;
        std::this_thread::sleep_for(lock_step);
    }
    lock_ = std::move(lock);
}

void WorkerLock::open_wake() {
    const std::string path = wake_path(store_path_);
    if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) {
        throw_errno("cannot make '" + path + "'");
    }
    // Writing too: without a writer of its own, a FIFO that was written to once reads as ended.
    Fd wake(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!wake) throw_errno("cannot open '" + path + "'");
    if (!is_fifo(wake.get())) throw Error("cannot use '" + path + "': it is no FIFO; remove it");
    wake_ = std::move(wake);
    drain();
}

bool WorkerLock::drain() {
    std::array<char, 4096> bytes;
    bool any = false;
    while (wake_ && ::read(wake_.get(), bytes.data(), bytes.size()) > 0) any = true;
    return any;
}

// -- The others'

WakeResult wake_worker(const std::string& store_path) {
    const std::string path = wake_path(store_path);
    const Fd wake(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!wake || !is_fifo(wake.get())) return WakeResult::no_worker;  // ENXIO: nobody reads
    const NoSigpipe no_signal;
    ssize_t put = -1;
    do {
        put = ::write(wake.get(), "w", 1);
    } while (put < 0 && errno == EINTR);
    // EAGAIN: it is full, so the worker has yet to wake.
    return put == 1 || errno == EAGAIN ? WakeResult::woken : WakeResult::no_worker;
}

bool worker_runs(const std::string& store_path) {
    const std::string path = lock_path(store_path);
    const Fd lock(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    // Shared, so that two who ask do not take each other for a worker.
    return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// -- Starting one

namespace {

// Nothing of the caller's: a CGI process's variables would make a gateway of the worker.
std::vector<std::string> worker_environment() {
    std::vector<std::string> environment;
    for (const char* name : {"PATH", "HOME", "TZ"}) {
        if (const char* value = std::getenv(name)) {
            environment.push_back(std::string(name) + '=' + value);
        }
    }
    return environment;
}

// The program as it lies on the disk: after an upgrade the new one; the running one if it is gone.
std::string worker_binary() {
    std::string path = own_binary();
    return ::access(path.c_str(), X_OK) == 0 ? path : "/proc/self/exe";
}

// Waits for the process in between, which takes milliseconds unless it was stopped or its disk
// hangs.  Where SIGCHLD is ignored the kernel reaps it: ECHILD, and nobody learns its status.
void expect_success(pid_t pid) {
    int status = 0;
    pid_t reaped = 0;
    const Millis end = steady_now() + start_limit;
    while ((reaped = ::waitpid(pid, &status, WNOHANG)) == 0 || (reaped < 0 && errno == EINTR)) {
        if (steady_now() >= end) {
            throw Error("cannot start a worker: nothing came of it in " +
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
        {.program = worker_binary(),
         .argv = {own_binary(), "work", "--detach", "--config", config_path},
         .env = worker_environment(),
         .fds = {null_device, null_device, null_device}});
    if (worker.error != 0) throw system_error("cannot start a worker", worker.error);
    expect_success(worker.pid);
}

void summon_worker(const std::string& store_path, const std::string& config_path, bool auto_start) {
    if (wake_worker(store_path) == WakeResult::no_worker && auto_start) start_worker(config_path);
}

}  // namespace bx
