#include "report/portals.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "report/json.h"

namespace bx {

namespace {

constexpr const char* tried_again = "it is tried again by itself; 'bxhook sync' tries it now";
constexpr const char* reinstall = "reinstall the application on that portal, as an administrator";

ShownPortal shown(const Portal& portal) {
    ShownPortal one;
    one.portal = portal.domain;
    one.member_id = portal.member_id;
    one.place = portal.place;
    one.webhook = !portal.webhook.empty();
    return one;
}

// `scope` has commas, or blanks.
std::vector<std::string> scope_of(std::string text) {
    std::ranges::replace(text, ' ', ',');
    std::vector<std::string> scope;
    for (const std::string_view word : split(text, ',')) {
        if (!word.empty()) scope.emplace_back(word);
    }
    return scope;
}

ShownPortal shown(const Installation& installation) {
    ShownPortal one;
    one.portal = installation.domain;
    one.member_id = installation.member_id;
    one.client_id = installation.client_id;
    one.state = installation.state;
    one.user_id = installation.user_id;
    one.scope = scope_of(installation.scope);
    one.plan_status = installation.plan_status;
    one.token_expires_at = installation.token_expires_at;
    one.renewed_at = installation.renewed_at;
    one.installed_at = installation.installed_at;
    if (installation.state == InstallationState::pending) one.peer = installation.peer;
    one.held = installation.held;
    return one;
}

bool has_block(const Config& config, const std::string& client_id) {
    return std::ranges::find(config.apps, client_id, &App::client_id) != config.apps.end();
}

const Portal* block_of(const Config& config, const Installation& installation) {
    const auto portal = std::ranges::find_if(config.portals, [&](const Portal& one) {
        return !one.member_id.empty() && one.member_id == installation.member_id;
    });
    return portal == config.portals.end() ? nullptr : &*portal;
}

std::string block_to_add(const Installation& installation) {
    return "only if this is your application, add to the configuration: app { client_id " +
           installation.client_id + "  client_secret ... }";
}

void explain_pending(const Config& config, const Installation& installation, ShownPortal& one) {
    if (installation.client_id.empty() || has_block(config, installation.client_id)) {
        one.problem = installation.problem.empty() ? "it is not verified yet" : installation.problem;
        one.fix = one.problem.ends_with(install_again) ? reinstall : tried_again;
        return;
    }
    one.problem = "no `app` block has its client_id: its posts are held";
    one.fix = block_to_add(installation);
}

void explain_moved(ShownPortal& one) {
    one.problem = std::string(moved_problem) + ": another store has it, with its tokens";
    one.fix = "have the configuration name that store, and move this one away";
}

void explain(const Config& config, const Installation& installation, ShownPortal& one) {
    one.problem = installation.problem;
    if (installation.problem == moved_problem) return explain_moved(one);
    switch (installation.state) {
        case InstallationState::pending: return explain_pending(config, installation, one);
        case InstallationState::broken:
            if (one.problem.empty()) one.problem = "its tokens cannot be renewed";
            one.fix = reinstall;
            if (one.problem == unproven_problem) {
                one.fix = "'bxhook portals import FILE' once more with its file tries it again";
            }
            return;
        case InstallationState::gone:
            one.problem = "the application was uninstalled";
            if (const Portal* block = block_of(config, installation)) {
                one.fix = "its events are accepted by the configuration still: delete " +
                          block->place + ", unless they are to be";
            }
            return;
        case InstallationState::active: break;
    }
    if (!has_block(config, installation.client_id)) {
        one.problem = "no `app` block has its client_id: its tokens are not renewed";
        one.fix = block_to_add(installation);
    } else if (!installation.has_application_token) {
        one.problem = "its application_token has not come yet: its posts are held";
        one.fix = "the first event there that its user or an administrator causes proves it; "
                  "'bxhook sync' looks at those that are held now";
    } else if (one.problem.starts_with(unsubscribed_problem)) {
        one.fix = "'bxhook bind' tries it again and names each event; for another scope change the "
                  "application there, then install it again; what it is not to have leave out of "
                  "`events`";
    } else if (one.problem.starts_with(unrenewed_problem)) {
        one.fix = "see on that portal that the application is installed, paid for and open to its "
                  "user; it is tried again in a day, and whenever tokens are needed";
    } else if (!one.problem.empty()) {
        one.fix = tried_again;
    }
}

void write_portal(JsonWriter& json, const ShownPortal& one) {
    json.begin_object();
    json.key("portal").value_or_null(one.portal);
    json.key("member_id").value_or_null(one.member_id);
    json.key("client_id").value_or_null(one.client_id);
    json.field("source", one.place.empty() ? "installed" : "config");
    json.field("state", name_of(one.state));
    json.key("user_id").value_or_null(one.user_id);
    json.key("scope").begin_array();
    for (const std::string& word : one.scope) json.value(word);
    json.end_array();
    json.key("plan_status").value_or_null(one.plan_status);
    json.field("webhook", one.webhook);
    write_time(json, "token_expires_at", one.token_expires_at);
    write_time(json, "renewed_at", one.renewed_at);
    write_time(json, "installed_at", one.installed_at);
    json.key("last_event_at").null();  // neither is kept yet
    json.key("catch_up").begin_object();
    json.key("last_at").null().key("found").null().key("error").null().end_object();
    json.key("peer").value_or_null(one.peer);
    json.field("held", one.held);
    json.key("problem").value_or_null(one.problem);
    json.key("fix").value_or_null(one.fix);
    json.end_object();
}

}  // namespace

std::vector<ShownPortal> shown_portals(const Config& config,
                                       std::span<const Installation> installations) {
    std::vector<ShownPortal> portals;
    for (const Portal& portal : config.portals) portals.push_back(shown(portal));
    for (const Installation& installation : installations) {
        portals.push_back(shown(installation));
        explain(config, installation, portals.back());
    }
    return portals;
}

bool is_named(const ShownPortal& portal, std::string_view name) {
    return portal.member_id == name || equal_ignoring_case(portal.portal, name);
}

std::string name_of(const ShownPortal& portal) {
    const std::string name = portal.portal.empty() ? portal.member_id : portal.portal;
    return portal.client_id.empty() ? name : name + " (" + portal.client_id + ")";
}

std::string oldest_of(std::vector<Installation> installations) {
    constexpr std::size_t named_at_most = 5;
    std::ranges::sort(installations, {}, [](const Installation& one) {
        return std::pair(one.installed_at, one.id);
    });
    std::string text;
    const std::size_t named = std::min(named_at_most, installations.size());
    for (const Installation& one : std::span(installations).first(named)) {
        text += (text.empty() ? "" : ", ") + printable(name_of(shown(one)));
    }
    const std::size_t more = installations.size() - named;
    return more == 0 ? text : text + " and " + std::to_string(more) + " more";
}

std::string portals_json(std::span<const ShownPortal> portals) {
    std::string text;
    JsonWriter json(text);
    json.begin_array();
    for (const ShownPortal& portal : portals) write_portal(json, portal);
    json.end_array();
    return json_line(text);
}

}  // namespace bx
