#include "cli/event_portal.h"

#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "cli/open.h"
#include "event/kinds.h"
#include "event/payload.h"
#include "rest/answer.h"

namespace bx {

namespace {

using Found = std::vector<Installation>;

PortalChoice none(std::string why) {
    PortalChoice choice;
    choice.status = exit_status_of(RestCause::wrong_client, Right::application);
    choice.why = std::move(why);
    return choice;
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

// True for an event that came by the key of a `post` block: it had no application_token.
bool came_by_key(const StoredEvent& event) {
    const std::string& code = event.facts.code;
    if (!post_name_of(code).empty()) return true;
    if (!code.starts_with("SMS.")) return false;  // which has its sender's code by a key too
    const Tree body = decode_payload(event.body, event.secrets, Secrets::hide);
    return body.at("auth.application_token").text().empty();
}

// True when the portal of a `post` block is that of FACTS.
bool has_key_for(const Config& config, const EventFacts& facts) {
    return std::ranges::any_of(config.posts, [&](const PostBlock& post) {
        return post.member_id.empty() ? equal_ignoring_case(post.domain, facts.domain)
                                      : post.member_id == facts.member_id;
    });
}

bool is_on(const EventsPortal& own, const Installation& other) {
    return std::ranges::any_of(own.installations, [&](const Installation& one) {
        return one.member_id == other.member_id;
    });
}

PortalChoice only_one(Found found, const std::string& where, const std::string& app) {
    std::erase_if(found, [&](const Installation& one) {
        return one.state == InstallationState::gone || (!app.empty() && one.client_id != app);
    });
    // Anybody can make one that is pending: it hides none that was verified.
    const auto is_pending = [](const Installation& one) {
        return one.state == InstallationState::pending;
    };
    const bool all_pending = std::ranges::all_of(found, is_pending);
    if (!all_pending) std::erase_if(found, is_pending);
    if (found.empty()) {
        PortalChoice choice =
            none("no application is installed on " + where + " (`bxhook portals` shows all)");
        choice.is_absent = true;
        return choice;
    }
    // Of several that wait to be verified none is the one yet.
    if (found.size() == 1 || all_pending) {
        return {.installation = std::move(found.front()), .why = ""};
    }
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

ConfigPtr config_to_choose(const Arguments& args, const std::optional<HookRun>& run) {
    const bool names_another = run && args.has("--portal");
    return config_of(args, names_another ? ConfigPart::all : ConfigPart::sync);
}

EventsPortal portal_of_event(const Config& config, Store& store, EventNumber number) {
    EventsPortal own;
    own.event = store.view().event(number);
    if (!own.event) return own;
    const EventFacts& facts = own.event->facts;
    const std::optional<InstallationId> id = own.event->installation;
    own.by_key = !id && came_by_key(*own.event);
    if (!id && !names(config, facts) && !(own.by_key && has_key_for(config, facts))) {
        own.event.reset();
        return own;
    }
    if (!facts.member_id.empty()) own.installations = store.installations().list(facts.member_id);
    // Another may have said that its domain is that member_id.
    std::erase_if(own.installations, [&](const Installation& one) {
        return one.member_id != facts.member_id || (id && one.id != *id);
    });
    return own;
}

Option app_option() {
    return {"--app", "CLIENT_ID", "of several applications on a portal that one"};
}

std::string foreign_portal(const std::string& portal, const HookRun& run) {
    return "the event is not of portal '" + printable(portal) + "': add `call any` to hook '" +
           printable(run.hook) + "' to let it name others";
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
    const EventsPortal own = portal_of_event(config, store, run->event);
    if (portal.empty()) {
        return only_one(own.installations, "a portal that the token of event " +
                                         std::to_string(run->event) + " proves", app);
    }
    PortalChoice choice = only_one(store.installations().list(portal), name, app);
    if (!choice.installation || is_on(own, *choice.installation) ||
        settings_of(config, run->hook).call == Calls::any) {
        return choice;
    }
    return none(foreign_portal(portal, *run));
}

}  // namespace bx
