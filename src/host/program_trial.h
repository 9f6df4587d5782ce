// Whether a program that was put in the place of this one can run at all: what was uploaded by halves
// or in text mode must not take over from one that works.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/clock.h"
#include "base/fd.h"

namespace bx {

class ProgramTrial {
public:
    enum class State { none, running, good, bad };

    ProgramTrial() = default;
    ~ProgramTrial() { end(); }
    ProgramTrial(const ProgramTrial&) = delete;
    ProgramTrial& operator=(const ProgramTrial&) = delete;

    // Has the program at PATH say its version.  Does not wait for it.  Throws Error when there is no
    // descriptor or memory for it; look() gives `none` then.
    void start(const std::string& path);
    // What has come of it by now; `bad` too when it takes over ten seconds.  Whoever else reaps the
    // children of this process may reap it.
    State look();
    // Forgets it, and ends the process.
    void end();

private:
    State state_ = State::none;
    pid_t pid_ = -1;
    Fd answer_;  // a pipe: its standard output
    Timer limit_;
};

}  // namespace bx
