// What the commands share that ask Bitrix24 for a hook: `call`, `token`, `answer`.
//
// A hook ends with their exit status, so that every end of theirs has one that says whether trying
// again helps (exit_status_of in rest/answer.h).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/hook_run.h"
#include "config/config.h"
#include "store/store.h"

namespace bx {

// What such a command works on; all of it lives as long as the work.
struct RestPlace {
    const Config& config;
    Store& store;
    const std::optional<HookRun>& hook;  // none: the command does not run in a hook
};

// "bxhook: WHAT: WHY" on stderr.  Gives STATUS.
int end_with(int status, const std::string& what, const std::string& why);

// The exit status of WORK, with the configuration that ARGS and the environment point to and its
// store.  Without a configuration that can be read: 78.  Without a store, and where WORK throws an
// Error: 75, since the next attempt may find it better.  WHAT is what fails, for people.  Throws
// UsageError.
int run_rest_command(const Arguments& args, const std::string& what,
                     const std::function<int(const RestPlace&)>& work);

}  // namespace bx
