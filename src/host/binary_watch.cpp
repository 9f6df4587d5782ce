#include "host/binary_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

namespace bx {

namespace {

constexpr Millis settle_time = second;

}  // namespace

BinaryWatch::BinaryWatch() : path_(own_binary()) {
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
    if (now == seen_) return settled_.due(steady_now());
    seen_ = now;
    settled_.set(steady_now() + settle_time);
    return false;
}

bool BinaryWatch::may_start() const { return ::access(path_.c_str(), X_OK) == 0; }

}  // namespace bx
