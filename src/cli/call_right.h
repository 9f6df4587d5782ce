// With whose right `call` calls: the application's, a webhook's, or that of the hook's event.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/event_portal.h"
#include "config/config.h"
#include "rest/caller.h"
#include "store/limiter.h"
#include "store/store.h"

namespace bx {

struct CallRight {
    std::unique_ptr<Access> access;
    Right right = Right::application;
    // For the limiter: see CalledMethod.
    std::string portal;
    std::string whose;
    CallRate rate;
};

struct RightChoice {
    std::optional<CallRight> right;
    int status = 0;   // without one: the exit status (sysexits.h)
    std::string why;  // and what is wrong, with what to do
};

// That of ONE's application, where there is a block for it or it waits to be verified.
RightChoice application_right(const Config& config, Store& store, const Installation& one);

// The option --as of who chooses.
Option as_option();

// What ARGS' --portal, --app and --as mean; without --as the first right there is.  In a hook as
// choose_portal (event_portal.h).  CONFIG is read as a whole.  Throws StoreError, UsageError.
RightChoice choose_right(const Arguments& args, const Config& config, Store& store,
                         const std::optional<HookRun>& run);

}  // namespace bx
