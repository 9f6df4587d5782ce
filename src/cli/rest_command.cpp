#include "cli/rest_command.h"

#include <memory>

#include "base/error.h"
#include "cli/event_portal.h"
#include "cli/open.h"
#include "cli/output.h"
#include "rest/answer.h"

namespace bx {

namespace {

// Without Bitrix24's answer it does not matter whose right was to be used.
int status_of(RestCause cause) { return exit_status_of(cause, Right::application); }

}  // namespace

int end_with(int status, const std::string& what, const std::string& why) {
    remark(what + ": " + why);
    return status;
}

int run_rest_command(const Arguments& args, const std::string& what,
                     const std::function<int(const RestPlace&)>& work) {
    const std::optional<HookRun> hook = this_hook_run();
    ConfigPtr config;
    try {
        config = config_to_choose(args, hook);
    } catch (const UsageError&) {
        throw;
    } catch (const Error& error) {
        return end_with(status_of(RestCause::wrong_client), what, error.what());
    }
    try {
        const std::unique_ptr<Store> store = store_of(*config);
        return work({*config, *store, hook});
    } catch (const UsageError&) {
        throw;
    } catch (const Error& error) {
        return end_with(status_of(RestCause::server), what, error.what());
    }
}

}  // namespace bx
