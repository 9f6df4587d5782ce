// The calls of a command to a portal: with the right that was chosen, each in its turn, repeated
// where that helps until --wait or the hook's time is over.
#pragma once

#include "base/clock.h"
#include "cli/arguments.h"
#include "cli/call_right.h"
#include "cli/rest_command.h"
#include "rest/caller.h"
#include "rest/endpoint.h"
#include "sync/pace.h"

namespace bx {

// The option --wait of who calls.
Option wait_option();

struct CallTimes {
    Millis wait = 0;            // of each call: --wait
    Millis end = Timer::never;  // steady: of the hook's own time, less a second
};
// Throws UsageError.
CallTimes call_times(const Arguments& args);

class PortalCalls {
public:
    // PLACE outlives it, as all that is in it.
    PortalCalls(const RestPlace& place, CallRight right, CallTimes times,
                SharedPace::Kind kind = SharedPace::Kind::usual);
    PortalCalls(const PortalCalls&) = delete;
    PortalCalls& operator=(const PortalCalls&) = delete;

    // What CALL was answered at last; what fails here, at the store or this machine, stands for an
    // answer of a server in trouble.
    RestAnswer ask(const MethodCall& call);
    Right right() const { return right_.right; }
    // Whose turns the calls wait for.
    Pace& pace() { return pace_; }

private:
    CallRight right_;
    CallTimes times_;
    SharedPace pace_;
    Endpoints endpoints_;
    Caller caller_;
};

}  // namespace bx
