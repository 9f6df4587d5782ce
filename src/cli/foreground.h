// One run of a hook in the foreground: as the worker runs it, but its output is ours and nothing is
// recorded.
#pragma once

#include "config/config.h"
#include "hooks/invocation.h"
#include "store/records.h"

namespace bx {

struct ForegroundEnd {
    Finish finish;       // result, exit, signal and reason
    int stopped_by = 0;  // the signal to us for which it was ended; SIGPIPE: nobody reads stdout
    // For our own process: the hook's exit status, 128 and the signal that ended it or us, or 124
    // after the time limit, as timeout(1) has it.
    int status = 0;

    // By a person, or by the time limit: nobody is waited for any more.
    bool was_cut_short() const {
        return stopped_by != 0 || finish.result == AttemptResult::timeout;
    }
};

// Starts INVOCATION as CLAIM's run with the time limit of SETTINGS, passes on to stdout and stderr
// what it prints (secrets masked), and returns when nothing of it is left.  SIGINT, SIGTERM, SIGHUP
// and a stdout whose reader is gone end it as `cancel --kill` would; a second signal kills it at
// once.  A reader that does not read keeps the hook waiting, but neither signals nor the time
// limit: after these it has a second for the rest.  Throws Error when it cannot be started, with
// the reason alone, and when its output cannot be written.
ForegroundEnd run_in_foreground(const Claim& claim, const HookSettings& settings,
                                const Invocation& invocation);

}  // namespace bx
