// Whose right a command uses: which installation its --portal, or the event of its hook, means.
#pragma once

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "config/config.h"
#include "store/store.h"

namespace bx {

// In a hook: which event it runs for; from its environment (BX_EVENT_NUMBER, BX_HOOK).
struct HookRun {
    EventNumber event = 0;
    std::string hook;
};
std::optional<HookRun> this_hook_run();

struct PortalChoice {
    std::optional<Installation> installation;
    int status = 0;   // without one: the exit status (sysexits.h)
    std::string why;  // and what is wrong, with what to do
};

// The option --app of those who choose.
Option app_option();

// Of ARGS' --portal and --app; without --portal in a hook that of its event, elsewhere the only one.
// In a hook another portal than the event's takes `call any`, for which CONFIG has the hooks.
// Throws StoreError.
PortalChoice choose_portal(const Arguments& args, const Config& config, Store& store,
                           const std::optional<HookRun>& run);

}  // namespace bx
