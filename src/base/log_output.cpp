#include "base/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

namespace bx {

namespace {

constexpr suseconds_t longest_write = 20'000;  // microseconds, of one that was not to wait at all

// While it lives a system call that waits ends with EINTR.  By a timer that goes on: its first signal
// may come before the call.
class Interrupter {
public:
    Interrupter() {
        struct sigaction wake_only {};  // no SA_RESTART
        wake_only.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &wake_only, &action_);
        sigset_t alarm;
        ::sigemptyset(&alarm);
        ::sigaddset(&alarm, SIGALRM);
        ::pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_);
        const itimerval often{{0, longest_write}, {0, longest_write}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
    }
    ~Interrupter() {
        const int cause = errno;
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
        ::sigaction(SIGALRM, &action_, nullptr);
        errno = cause;
    }
    Interrupter(const Interrupter&) = delete;
    Interrupter& operator=(const Interrupter&) = delete;

private:
    struct sigaction action_ {};
    sigset_t mask_{};
};

bool has_room(int fd, Millis patience) {
    pollfd set{fd, POLLOUT, 0};
    return ::poll(&set, 1, static_cast<int>(patience)) > 0;
}

// A pipe with room takes PIPE_BUF bytes, unless another writer comes in between.
ssize_t write_timed(int fd, std::string_view data) {
    errno = EAGAIN;
    if (!has_room(fd, 0)) return -1;
    const Interrupter interrupter;
    const ssize_t put = ::write(fd, data.data(), std::min<std::size_t>(data.size(), PIPE_BUF));
    if (put < 0 && errno == EINTR) errno = EAGAIN;
    return put;
}

bool is_same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

LogOutput LogOutput::of(int fd) {
    LogOutput output;
    struct stat info {};
    if (::fstat(fd, &info) != 0) return output;
    output.fd_ = fd;
    if (S_ISREG(info.st_mode)) return output;  // waits for the disk alone
    if (S_ISSOCK(info.st_mode)) {
        output.way_ = Way::send;
        return output;
    }
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    output.own_ = Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (output.own_) {
        output.fd_ = output.own_.get();
    } else {
        output.way_ = Way::timed;
    }
    return output;
}

bool LogOutput::is_journal(int fd) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info {};
    if (stream == nullptr || ::fstat(fd, &info) != 0) return false;
    return stream == std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

LogOutput LogOutput::open(const std::string& path) {
    LogOutput output;
    constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    output.own_ = Fd(::open(path.c_str(), flags, 0600));
    output.fd_ = output.own_.get();
    return output;
}

std::size_t LogOutput::write(std::string_view data, Millis patience) {
    const Millis end = steady_now() + patience;
    std::size_t done = 0;
    errno = EBADF;
    while (fd_ >= 0 && done < data.size()) {
        const ssize_t put = write_some(data.substr(done));
        if (put > 0) {
            done += static_cast<std::size_t>(put);
        } else if (put < 0 && errno == EAGAIN && steady_now() < end) {
            (void)has_room(fd_, end - steady_now());
            errno = EAGAIN;
        } else if (put == 0 || errno != EINTR) {
            break;
        }
    }
    return done;
}

ssize_t LogOutput::write_some(std::string_view data) const {
    switch (way_) {
        case Way::send: return ::send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        case Way::timed: return write_timed(fd_, data);
        case Way::write: break;
    }
    return ::write(fd_, data.data(), data.size());
}

off_t LogOutput::size() const {
    struct stat info {};
    return ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : 0;
}

bool LogOutput::is_at(const std::string& path) const {
    struct stat here {};
    struct stat there {};
    return ::fstat(fd_, &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
           is_same_file(here, there);
}

bool LogOutput::is_same(int fd) const {
    struct stat here {};
    struct stat there {};
    return ::fstat(fd_, &here) == 0 && ::fstat(fd, &there) == 0 && is_same_file(here, there);
}

bool LogOutput::lock() const { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }

void ignore_write_signals() {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace bx
