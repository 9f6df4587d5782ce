#include "host/binary_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "host/own_program.h"

namespace bx {

namespace {

constexpr Millis settle_time = second;
constexpr Millis try_again_after = minute;

}  // namespace

BinaryWatch::BinaryWatch(bool gives_right) : path_(own_binary()), gives_right_(gives_right) {
    const std::optional<Stamp> running = stamp_of("/proc/self/exe");
    if (!running) throw_errno("cannot access the running program");
    running_ = *running;
}

std::optional<BinaryWatch::Stamp> BinaryWatch::stamp_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    return Stamp{info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                 info.st_mtim.tv_nsec};
}

bool BinaryWatch::was_replaced() {
    const std::optional<Stamp> now = stamp_of(path_);
    if (!now || *now == running_) return false;
    if (now != seen_) {
        seen_ = now;
        settled_.set(steady_now() + settle_time);
        trial_.end();
        judged_ = false;
        again_ = Timer{Timer::never};
        return false;
    }
    if (!settled_.due(steady_now()) || !may_run()) return false;
    if (trial_.look() == ProgramTrial::State::none && !start_trial()) return false;
    const ProgramTrial::State state = trial_.look();
    if (state == ProgramTrial::State::bad) refuse();
    if (state == ProgramTrial::State::good) set_own_program_refused(false);
    return state == ProgramTrial::State::good;
}

// It may have been the machine that was short of something, or whoever writes the file had it open.
void BinaryWatch::refuse() {
    if (!std::exchange(judged_, true)) refused_ = true;
    set_own_program_refused(true);
    if (again_.next() == Timer::never) again_.set(steady_now() + try_again_after);
    if (!again_.due(steady_now())) return;
    again_ = Timer{Timer::never};
    trial_.end();
}

bool BinaryWatch::start_trial() {
    try {
        trial_.start(path_);
        return true;
    } catch (const Error&) {
        return false;  // no memory or descriptor now
    }
}

bool BinaryWatch::may_run() const {
    if (::access(path_.c_str(), X_OK) == 0) return true;
    struct stat info {};
    return gives_right_ && ::stat(path_.c_str(), &info) == 0 && info.st_uid == ::geteuid() &&
           ::chmod(path_.c_str(), (info.st_mode & 07777) | S_IXUSR) == 0;
}

void log_new_program_refused(Log& log) {
    log.error("the program that was uploaded cannot run, the one before goes on",
              {{"fix", "upload it again, in binary mode, by a temporary name and a rename"}});
}

}  // namespace bx
