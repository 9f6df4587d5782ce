// Ends what a worker ran when the worker itself was killed.
//
// For a store whose runs other machines take over when a worker's lease has ended: they cannot see
// the processes of this one.  A process of its own, which knows the worker's runs and notices its
// death at once; it ignores signals that stop a worker, and leaves with it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace bx {

class Warden {
public:
    // Forks: the process must have one thread.  Throws Error.
    Warden();
    // No run is left: it goes.
    ~Warden();
    Warden(const Warden&) = delete;
    Warden& operator=(const Warden&) = delete;

    // Before the run RUN (BX_RUN) begins, and again once its session is known.
    void watch(const std::string& run, pid_t session = 0);
    void forget(const std::string& run);

private:
    void say(const std::string& line);

    Fd pipe_;
    pid_t pid_ = -1;
};

}  // namespace bx
