#include "cli/portal_events.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event/own_events.h"
#include "hooks/hooks.h"
#include "host/worker_start.h"
#include "report/portals.h"
#include "store/own_event.h"

namespace bx {

namespace {

constexpr Millis taken_for = minute;
constexpr std::size_t taken_at_once = 64;

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

// One that was healed or claimed meanwhile needs nobody.
bool needs_person(const Installation& one) {
    return one.state == InstallationState::broken || one.state == InstallationState::pending;
}

void tell(Store& store, const Config& config, std::span<const DueChore> taken) {
    if (taken.empty()) return;
    const bool wanted = is_wanted(config.path);
    bool any = false;
    for (const DueChore& one : taken) {
        const auto known = store.installations().find(one.id);
        if (wanted && known && needs_person(known->installation)) {
            const NewEvent event = event_of(config, known->installation);
            const auto added = store.sink().add({&event, 1}, own_event_limit(config.limits.queue));
            any = any || added.front();
        }
        store.chores().finish(one);
    }
    if (any) summon_worker(config.store.worker_files, config.path, config.worker.auto_start);
}

}  // namespace

void tell_of_portals(Store& store, const Config& config) {
    for (std::size_t count = taken_at_once; count == taken_at_once;) {
        const Millis now = wall_now();
        const std::vector<DueChore> taken =
            store.chores().take_due(Chore::tell, now, now + taken_for, taken_at_once);
        tell(store, config, taken);
        count = taken.size();
    }
}

void tell_of_portal(Store& store, const Config& config, InstallationId id) {
    const auto taken = store.chores().take(id, Chore::tell, wall_now() + taken_for);
    if (taken) tell(store, config, {&*taken, 1});
}

}  // namespace bx
