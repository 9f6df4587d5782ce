// What a command knows of the hook that it runs in: by the hook's environment.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "store/records.h"

namespace bx {

// The event that the hook runs for, and its name (BX_EVENT_NUMBER, BX_HOOK).
struct HookRun {
    EventNumber event = 0;
    std::string hook;
};
// None: the command does not run in a hook.
std::optional<HookRun> this_hook_run();

// When what the hook waits for has to be over: a second before its time limit (BX_DEADLINE); steady
// time, never 0.  None: there is no limit.
std::optional<Millis> end_of_hook();

}  // namespace bx
