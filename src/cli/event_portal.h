// Whose right a command uses: which installation its --portal, or the event of its hook, means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/hook_run.h"
#include "config/config.h"
#include "store/store.h"

namespace bx {

// The portal of EVENT as its token proved it, or the key of the `post` block by which it came.
struct EventsPortal {
    std::optional<StoredEvent> event;  // none: there is no such event, or it proved no portal
    // The one that the token is of, or all on that portal where it is the configuration's.
    std::vector<Installation> installations{};
    bool by_key = false;  // what it says of itself is of whoever has the key, and so are its tokens
};
// Throws StoreError.
EventsPortal portal_of_event(const Config& config, Store& store, EventNumber number);

struct PortalChoice {
    std::optional<Installation> installation;
    bool is_absent = false;  // there is none, as opposed to several, or one that may not be named
    int status = 0;   // without one: the exit status (sysexits.h)
    std::string why;  // and what is wrong, with what to do
};

// The configuration for those who choose, with the settings of hooks where one names a portal.
// Throws as config_of (open.h).
ConfigPtr config_to_choose(const Arguments& args, const std::optional<HookRun>& run);

// The option --app of those who choose.
Option app_option();

// Why the hook of RUN may not name PORTAL.
std::string foreign_portal(const std::string& portal, const HookRun& run);

// Of ARGS' --portal and --app; without --portal in a hook that of its event, elsewhere the only one.
// In a hook another portal than the event's takes `call any`, for which CONFIG has the hooks.
// Throws StoreError.
PortalChoice choose_portal(const Arguments& args, const Config& config, Store& store,
                           const std::optional<HookRun>& run);

}  // namespace bx
