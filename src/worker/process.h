// One run of a hook: a child process in a session of its own, its stdin fed and its output taken
// without ever blocking.
//
// Passive: the worker's loop polls the descriptors and calls in.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "hooks/invocation.h"
#include "worker/output.h"

namespace bx {

class Process {
public:
    // Starts it, with umask 022 and nothing of ours (start_program).  Throws Error when it cannot be
    // started; what() is the reason for the attempt: "missing", "bad interpreter", ...
    Process(Invocation invocation, std::size_t output_limit, OutputListener on_out = {},
            OutputListener on_err = {});

    pid_t pid() const { return pid_; }
    // stdin (to write), stdout, stderr (to read); -1 when closed.
    int input_fd() const { return input_.get(); }
    int output_fd() const { return output_.get(); }
    int error_fd() const { return error_.get(); }

    void feed();         // stdin is writable, or was closed by its reader
    void read_output();  // either of the others is readable
    // After it was reaped: takes what is still in the pipes (never waiting for a background child
    // that holds them open) and closes them.
    void drain();

    const OutputKeeper& out() const { return out_; }
    const OutputKeeper& err() const { return err_; }

private:
    pid_t pid_ = -1;
    Fd input_, output_, error_;
    std::string pending_;  // stdin not yet written
    std::size_t written_ = 0;
    OutputKeeper out_, err_;
};

}  // namespace bx
