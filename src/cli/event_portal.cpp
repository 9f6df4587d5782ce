#include "cli/event_portal.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "rest/answer.h"

namespace bx {

namespace {

using Found = std::vector<Installation>;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

PortalChoice none(std::string why, RestCause cause = RestCause::wrong_client) {
    return {std::nullopt, exit_status_of(cause, Right::application), std::move(why)};
}

std::string name_of(const Installation& one) {
    return printable(one.domain.empty() ? one.member_id : one.domain);
}

// True when a block names that portal, so that its token proves it.
bool names(const Config& config, const EventFacts& facts) {
    return std::ranges::any_of(config.portals, [&](const Portal& block) {
        return block.member_id.empty() ? equal_ignoring_case(block.domain, facts.domain) &&
                                             !block.domain.empty()
                                       : block.member_id == facts.member_id;
    });
}

// The installation of the event that a hook runs for, and others on its portal.
class EventsPortal {
public:
    EventsPortal(const Config& config, Store& store, EventNumber number) {
        const std::optional<StoredEvent> event = store.view().event(number);
        if (!event) return;
        const EventFacts& facts = event->facts;
        if (!event->installation && !names(config, facts)) return;
        if (!facts.member_id.empty()) found_ = store.installations().list(facts.member_id);
        if (!event->installation) return;
        const InstallationId own = *event->installation;
        std::erase_if(found_, [own](const Installation& one) { return one.id != own; });
    }

    const Found& found() const { return found_; }
    bool is_on(const Installation& other) const {
        return std::ranges::any_of(found_, [&](const Installation& one) {
            return one.member_id == other.member_id;
        });
    }

private:
    Found found_;
};

PortalChoice only_one(Found found, const std::string& where, const std::string& app) {
    std::erase_if(found, [&](const Installation& one) {
        return one.state == InstallationState::gone || (!app.empty() && one.client_id != app);
    });
    // Anybody can make one that is pending: it hides none that was verified.
    const auto is_pending = [](const Installation& one) {
        return one.state == InstallationState::pending;
    };
    if (!std::ranges::all_of(found, is_pending)) std::erase_if(found, is_pending);
    if (found.empty()) {
        return none("no application is installed on " + where + " (`bxhook portals` shows all)");
    }
    if (found.size() == 1) return {std::move(found.front()), 0, ""};
    const bool one_portal = std::ranges::all_of(found, [&](const Installation& one) {
        return one.member_id == found.front().member_id;
    });
    std::string which;
    for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 5); ++i) {
        which += (i > 0 ? ", " : "");
        which += one_portal ? printable(found[i].client_id) : name_of(found[i]);
    }
    return none(one_portal ? "several applications are installed on " + where +
                                 ": name one with --app: " + which
                           : "there are several portals: name one with --portal: " + which);
}

}  // namespace

std::optional<HookRun> this_hook_run() {
    const std::optional<std::int64_t> number = parse_number(variable("BX_EVENT_NUMBER"));
    const std::string hook = variable("BX_HOOK");
    if (!number || hook.empty()) return std::nullopt;
    return HookRun{*number, hook};
}

Option app_option() {
    return {"--app", "CLIENT_ID", "of several applications on a portal that one"};
}

PortalChoice choose_portal(const Arguments& args, const Config& config, Store& store,
                           const std::optional<HookRun>& run) {
    const std::string portal = args.value("--portal");
    const std::string app = args.value("--app");
    const std::string name = "'" + printable(portal) + "'";
    if (portal.empty() && !run) {
        return only_one(store.installations().list(), "any portal", app);
    }
    if (!run) return only_one(store.installations().list(portal), name, app);
    const EventsPortal own(config, store, run->event);
    if (portal.empty()) {
        return only_one(own.found(), "a portal that the token of event " +
                                         std::to_string(run->event) + " proves", app);
    }
    PortalChoice choice = only_one(store.installations().list(portal), name, app);
    if (!choice.installation || own.is_on(*choice.installation) ||
        settings_of(config, run->hook).call == Calls::any) {
        return choice;
    }
    return none("the event is not of portal " + name + ": add `call any` to hook '" + printable(run->hook) + "' to let it name others");
}

}  // namespace bx
