#include <map>
#include <string>
#include <vector>

#include "cli/check/findings.h"
#include "report/portals.h"
#include "store/store.h"
#include "sync/context.h"
#include "sync/subscriptions.h"

namespace bx {

namespace {

// What each says of some installations, which are named once.
using Complaints = std::map<std::string, std::vector<Installation>>;

void complain(const Installation& one, const App& app, Complaints& complaints) {
    bool any = false;
    for (const std::string& glob : app.events) {
        const std::string scope = lacking_scope(glob, one.scope);
        if (scope.empty()) continue;
        any = true;
        complaints["`events " + glob + "` of " + app.place + " takes the scope " + scope +
                   ", which the application does not have there: change it, then install it again"]
            .push_back(one);
    }
    if (!any && one.problem.starts_with(unsubscribed_problem)) {
        complaints[one.problem].push_back(one);
    }
}

}  // namespace

void check_subscriptions(const Config& config, Store& store, Findings& findings) {
    Complaints complaints;
    for (const Installation& one : store.installations().list()) {
        const App* app = block_of(config, one.client_id);
        const bool is_kept = one.state == InstallationState::active && app != nullptr;
        if (is_kept && !app->url.empty()) complain(one, *app, complaints);
    }
    for (const auto& [what, installations] : complaints) {
        findings.warning(oldest_of(installations), what,
                         installations.size() == 1
                             ? findings.commands().line("bind --portal " +
                                                        installations.front().member_id)
                             : findings.commands().line("sync"));
    }
}

}  // namespace bx
