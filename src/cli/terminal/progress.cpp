#include "cli/terminal/progress.h"

#include <unistd.h>

#include <utility>

#include "base/fd.h"

namespace bx {

namespace {

constexpr Millis pause = 500;
constexpr const char* clear_line = "\r\x1b[K";  // ECMA-48 EL

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_(steady_now() + pause) {}

void Progress::at(std::size_t done, std::size_t total) {
    if (!terminal_ || steady_now() < next_) return;
    next_ = steady_now() + pause;
    std::string text = clear_line + what_ + ": " + std::to_string(done);
    if (total > 0) text += " of " + std::to_string(total);
    shown_ = write_all(STDERR_FILENO, text) || shown_;
}

void Progress::clear() {
    // What cannot be taken away does no harm.
    if (std::exchange(shown_, false)) (void)write_all(STDERR_FILENO, clear_line);
}

}  // namespace bx
