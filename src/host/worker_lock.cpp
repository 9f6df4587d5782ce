#include "host/worker_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "host/file_id.h"
#include "host/signals.h"

namespace bx {

namespace {

// worker_runs() holds the lock for an instant: a taker looks again before it believes in another
// worker.
constexpr Millis least_wait = 50;
constexpr std::chrono::milliseconds lock_step{5};

std::string lock_path(const std::string& worker_files) { return worker_files + ".lock"; }
std::string wake_path(const std::string& worker_files) { return worker_files + ".wake"; }

bool is_fifo(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

// -- The worker's side

WorkerLock::WorkerLock(const std::string& worker_files, Millis wait) : worker_files_(worker_files) {
    const std::string path = lock_path(worker_files);
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

std::string WorkerLock::path() const { return lock_path(worker_files_); }

bool WorkerLock::is_in_place() const { return !is_gone(path(), file_id(lock_.get())); }

void WorkerLock::open_wake() {
    const std::string path = wake_path(worker_files_);
    if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) {
        throw_errno("cannot make '" + path + "'");
    }
    // Writing too: without a writer of its own, a FIFO that was written to once reads as ended.
    Fd wake(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!wake) throw_errno("cannot open '" + path + "'");
    if (!is_fifo(wake.get())) throw Error("cannot use '" + path + "': it is not a FIFO; remove it");
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

WakeResult wake_worker(const std::string& worker_files) {
    const std::string path = wake_path(worker_files);
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

bool worker_runs(const std::string& worker_files) {
    const std::string path = lock_path(worker_files);
    const Fd lock(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    // Shared, so that two who ask do not take each other for a worker.
    return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace bx
