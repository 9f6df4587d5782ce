#include "cli/portal_events.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "event/own_events.h"
#include "hooks/hooks.h"
#include "host/worker_start.h"
#include "report/portals.h"
#include "store/own_event.h"

namespace bx {

namespace {

// Whoever talks to Bitrix24 has not read the hooks.
bool is_wanted(const std::string& config_path) {
    try {
        return HookSet::load(*load_config(config_path, ConfigPart::all)).is_named(portal_code);
    } catch (const Error&) {
        return true;  // it is being edited, and the worker matches nothing until it is right
    }
}

NewEvent event_of(const Config& config, const Installation& installation) {
    const ShownPortal shown = shown_portals(config, {&installation, 1}).back();
    const std::array<std::pair<std::string_view, std::string>, 6> data{{
        {"STATE", std::string(name_of(installation.state))},
        {"PORTAL", installation.domain},
        {"MEMBER_ID", installation.member_id},
        {"CLIENT_ID", installation.client_id},
        {"PROBLEM", shown.problem},
        {"FIX", shown.fix},
    }};
    // The token of one that no block has proves nothing yet that a hook may use.
    OwnEventPortal portal{installation.domain, installation.member_id};
    if (installation.state != InstallationState::pending) portal.installation = installation.id;
    return own_event(portal_code, data, portal, wall_now());
}

}  // namespace

void tell_of_portal(Store& store, const Config& config, InstallationId id) {
    if (!is_wanted(config.path)) return;
    const auto known = store.installations().find(id);
    if (!known) return;
    const NewEvent event = event_of(config, known->installation);
    const auto added = store.sink().add({&event, 1}, own_event_limit(config.limits.queue));
    if (!added.front()) return;
    summon_worker(config.store.worker_files, config.path, config.worker.auto_start);
}

}  // namespace bx
