// Starting another program: the one place that does it.
//
// By posix_spawn: safe in a process with threads, and as cheap in a large process as in a small
// one. What only goes on in a copy of itself (host/detach, worker/warden) forks instead.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace bx {

struct Pipe {
    Fd read;
    Fd write;
};

// Both ends are close-on-exec.  Throws Error.
Pipe make_pipe();

constexpr int null_device = -1;

// What a program is started with.  It gets nothing else of this process: a session of its own
// (whoever typed the command may be root, and the program a user's, who must not get that
// terminal), default signal dispositions and an empty signal mask.
struct Start {
    std::string program;            // a path, or without '/' a name to look for in $PATH
    std::vector<std::string> argv;  // with argv[0]
    std::vector<std::string> env;   // "NAME=value"
    std::vector<int> fds;           // what it has open as 0, 1, 2, ...: our fds, or null_device
    std::string dir = {};           // its working directory; empty: ours
    // Signals that this process ignores it ignores too: what tells us to end is not to end it.
    bool keep_ignored = false;
    // Empty: ours.  A umask belongs to the whole process: while the program is being started, other
    // threads have this one too.
    std::optional<mode_t> umask = {};
};

struct Started {
    pid_t pid = -1;  // to be waited for by the caller
    int error = 0;   // why there is no such process (errno); 0: there is
};

// Returns when the program runs, or could not be run.  Throws Error when there is no memory or
// descriptor to prepare it.
Started start_program(const Start& start);

}  // namespace bx
