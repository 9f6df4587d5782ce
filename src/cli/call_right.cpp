#include "cli/call_right.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"
#include "event/payload.h"
#include "sync/access.h"
#include "sync/context.h"

namespace bx {

namespace {

RightChoice none(std::string why, RestCause cause = RestCause::wrong_client) {
    return {std::nullopt, exit_status_of(cause, Right::application), std::move(why)};
}

RightChoice given(CallRight right) {
    return {std::move(right), 0, ""};
}

// True for the block of a portal of that member_id and domain, each of which may be empty.
bool is_of(const Portal& block, std::string_view member_id, std::string_view domain) {
    if (!block.member_id.empty() && !member_id.empty()) return block.member_id == member_id;
    return !block.domain.empty() && equal_ignoring_case(block.domain, domain);
}

// True for the block of the portal that somebody calls NAME.
bool is_called(const Portal& block, const std::string& name) {
    return !name.empty() && (block.member_id == name || equal_ignoring_case(block.domain, name));
}

// Anybody can make one that is pending, with any names.
bool is_verified(const Installation& one) { return one.state != InstallationState::pending; }

class Chooser {
public:
    Chooser(const Arguments& args, const Config& config, Store& store,
            const std::optional<HookRun>& run)
        : args_(args), config_(config), store_(store), run_(run), name_(args.value("--portal")) {
        if (run) own_ = portal_of_event(config, store, run->event);
    }

    RightChoice choose(const std::string& as);

private:
    RightChoice of_application(const Installation& one) {
        return application_right(config_, store_, one);
    }
    RightChoice of_webhook();
    RightChoice of_event();
    RightChoice of_other();

    std::vector<const Portal*> webhooks() const;
    bool names_own_portal() const;
    std::string limiter_name(const Portal& block) const;

    const Arguments& args_;
    const Config& config_;
    Store& store_;
    const std::optional<HookRun>& run_;
    const std::string name_;  // --portal
    EventsPortal own_{};
};

// The portal that is meant is the event's.
bool Chooser::names_own_portal() const {
    if (!own_.event) return false;
    const auto is_called_so = [this](const std::string& member_id, const std::string& domain) {
        return name_ == member_id || equal_ignoring_case(name_, domain);
    };
    const EventFacts& facts = own_.event->facts;
    return name_.empty() || is_called_so(facts.member_id, facts.domain) ||
           std::ranges::any_of(own_.installations, [&](const Installation& one) {
               return is_verified(one) && is_called_so(one.member_id, one.domain);
           });
}

// The blocks with a webhook of the portal that is meant.
std::vector<const Portal*> Chooser::webhooks() const {
    const bool is_own = names_own_portal();
    const std::vector<Installation> named =
        name_.empty() ? std::vector<Installation>{} : store_.installations().list(name_);
    std::vector<const Portal*> found;
    const auto is_meant = [&](const Portal& block) {
        if (is_own) return is_of(block, own_.event->facts.member_id, own_.event->facts.domain);
        if (name_.empty() && !run_) return true;
        return is_called(block, name_) || std::ranges::any_of(named, [&](const Installation& one) {
                   return is_verified(one) && is_of(block, one.member_id, one.domain);
               });
    };
    for (const Portal& block : config_.portals) {
        if (!block.webhook.empty() && is_meant(block)) found.push_back(&block);
    }
    return found;
}

// One that has calls by an application too is counted once.
std::string Chooser::limiter_name(const Portal& block) const {
    if (!block.member_id.empty()) return block.member_id;
    for (const Installation& one : store_.installations().list(block.domain)) {
        if (one.state == InstallationState::active) return one.member_id;
    }
    return block.domain;
}

RightChoice Chooser::of_webhook() {
    if (run_ && name_.empty() && !own_.event) {
        return none("event " + std::to_string(run_->event) + " proved no portal");
    }
    const std::vector<const Portal*> found = webhooks();
    if (found.empty()) return none("no `portal` block has a `webhook` for that portal");
    if (found.size() > 1)
        return none(
            "several `portal` blocks have a `webhook`: name one portal "
            "with --portal");
    const Portal& block = *found.front();
    CallRight right;
    right.right = Right::webhook;
    right.access = std::make_unique<LastingAccess>(Grant{Right::webhook, block.webhook});
    right.portal = limiter_name(block);
    right.whose = "webhook";
    right.rate = {block.rate, block.burst};
    return given(std::move(right));
}

RightChoice Chooser::of_event() {
    if (!run_) return none("there is no event: the command does not run in a hook");
    const std::string event = "event " + std::to_string(run_->event);
    if (!own_.event) return none(event + " proved no portal");
    if (!names_own_portal()) return none(foreign_portal(name_, *run_));
    const EventFacts& facts = own_.event->facts;
    if (own_.by_key) return none(event + " came by a key: it has no token of its own");
    if (own_.event->secrets_erased) return none("the access token of " + event + " was erased");
    const Tree tree = decode_payload(own_.event->body, own_.event->secrets, Secrets::keep);
    const std::string token(tree.at("auth.access_token").text());
    if (!is_token(token)) return none(event + " brought no access token");
    CallRight right;
    right.right = Right::event;
    right.portal = facts.member_id.empty() ? facts.domain : facts.member_id;
    right.whose = "event";
    std::string endpoint = "https://" + facts.domain + "/rest/";
    if (!own_.installations.empty() && own_.event->installation) {
        const Installation& one = own_.installations.front();
        if (!one.client_endpoint.empty()) endpoint = one.client_endpoint;
        right.whose = one.client_id;
        if (const App* app = block_of(config_, one.client_id)) right.rate = {app->rate, app->burst};
    } else if (facts.domain.empty()) {
        return none(event + " proved no domain: its `portal` block has none");
    }
    right.access = std::make_unique<LastingAccess>(Grant{Right::event, endpoint, token});
    return given(std::move(right));
}

// The first that there is without an application.
RightChoice Chooser::of_other() {
    RightChoice webhook = of_webhook();
    return webhook.right ? std::move(webhook) : of_event();
}

RightChoice Chooser::choose(const std::string& as) {
    const bool is_foreign = run_ && !name_.empty() && !names_own_portal();
    if (is_foreign && settings_of(config_, run_->hook).call != Calls::any) {
        return none(foreign_portal(name_, *run_));
    }
    if (as == "webhook") return of_webhook();
    if (as == "event") return of_event();
    const PortalChoice choice = choose_portal(args_, config_, store_, run_);
    const bool app_alone = as == "app" || args_.has("--app");
    if (!choice.installation) {
        if (app_alone || !choice.is_absent) return {std::nullopt, choice.status, choice.why};
        if (RightChoice other = of_other(); other.right) return other;
        return none(choice.why + ", and there is no webhook for it");
    }
    const Installation& one = *choice.installation;
    if (app_alone) return of_application(one);
    if (!is_verified(one)) {
        if (RightChoice other = of_other(); other.right) return other;
        return of_application(one);
    }
    const auto is_elsewhere = [&](const Portal* block) {
        return !is_of(*block, one.member_id, one.domain);
    };
    if (name_.empty() && !run_ && std::ranges::any_of(webhooks(), is_elsewhere)) {
        return none("there are several portals, some with a `webhook`: name one with --portal");
    }
    return of_application(one);
}

}  // namespace

RightChoice application_right(const Config& config, Store& store, const Installation& one) {
    const App* app = block_of(config, one.client_id);
    if (app == nullptr && one.state != InstallationState::pending) {
        return none("no `app` block has client_id '" + printable(one.client_id) +
                    "', with which the application is installed there");
    }
    CallRight right;
    right.access =
        std::make_unique<InstallationAccess>(store.installations(), config.path, one.id);
    right.portal = one.member_id;
    right.whose = one.client_id;
    if (app != nullptr) right.rate = {app->rate, app->burst};
    return given(std::move(right));
}

Option as_option() {
    return {"--as", "RIGHT", "app, webhook or event: whose right it has"};
}

RightChoice choose_right(const Arguments& args, const Config& config, Store& store,
                         const std::optional<HookRun>& run) {
    const std::string as = args.value("--as");
    if (args.has("--as") && as != "app" && as != "webhook" && as != "event") {
        throw UsageError("--as: '" + printable(as) + "' is not app, webhook or event");
    }
    if (args.has("--app") && args.has("--as") && as != "app") {
        throw UsageError("--app is for --as app: " + as + " is of no application");
    }
    return Chooser(args, config, store, run).choose(as);
}

}  // namespace bx
