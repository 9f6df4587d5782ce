// The umask for a moment.
#pragma once

#include <sys/stat.h>

namespace bx {

// While it lives the process has the umask MASK, in all of its threads.
class Umask {
public:
    explicit Umask(mode_t mask) : before_(::umask(mask)) {}
    ~Umask() { ::umask(before_); }
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;

private:
    mode_t before_;
};

}  // namespace bx
