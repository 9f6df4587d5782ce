#include "sync/renewal.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/fault.h"
#include "base/random.h"
#include "rest/http_pool.h"
#include "store/errors.h"
#include "sync/context.h"

namespace bx {

namespace {

constexpr Millis patience = 20 * second;       // for the lease; and then for the server
constexpr Millis patience_if_more = 10 * second;  // for one before the last
constexpr Millis lease_lasts = 45 * second;    // longer than the servers may take, and a commit
constexpr Millis next_look = 100;              // after a lease that another has
// expired_token right after a renewal is no reason for another.
constexpr Millis least_age = 10 * minute;

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(next_look)); }

RestResult failure(RestCause cause, std::string text) { return {cause, std::move(text), false}; }

// True when the store has other tokens than those that ORDER has seen.
bool is_renewed(const InstallationWithTokens& known, const RenewalOrder& order) {
    return known.installation.renewed_at.value_or(0) != order.seen &&
           known.installation.state != InstallationState::broken;
}

Renewal renewal_of(const RenewalAnswer& answer, const std::string& server) {
    Renewal renewal;
    renewal.tokens = {answer.access_token, answer.refresh_token,
                      wall_now() + answer.expires_in};
    renewal.client_endpoint = answer.client_endpoint;
    renewal.domain = host_of(answer.client_endpoint);
    renewal.scope = joined(answer.scope);
    renewal.user_id = answer.user_id;
    renewal.server = server;
    return renewal;
}

class OneRenewal {
public:
    OneRenewal(Installations& store, const Config& config, const RenewalOrder& order)
        : store_(store), config_(config), order_(order), endpoints_(config) {}

    RestResult run() {
        const std::optional<Lease> lease = wait_for_lease();
        if (!lease) return result_;
        try {
            in_doubt_ = lease->in_doubt;
            leased_until_ = steady_now() + lease_lasts;
            return under_lease();
        } catch (...) {
            give_back();
            throw;
        }
    }

private:
    // None, and what came of it instead in result_: another renewed meanwhile, or it cannot be.
    std::optional<Lease> wait_for_lease();
    // One try of that; false: again.
    bool look_for_lease(std::optional<Lease>& lease);
    RestResult under_lease();
    std::optional<RestResult> end_without_asking(
        const std::optional<InstallationWithTokens>& known) const;
    RestResult ask_all(const InstallationWithTokens& known, const App& app);
    RestResult ask(const std::string& server, const InstallationWithTokens& known, const App& app,
                   Millis limit);
    RestResult commit(const RenewalAnswer& answer, const std::string& server);
    RestResult refused(const RestResult& result, const std::string& refresh_token);
    RestResult end_by_others(const std::string& otherwise);
    const App* app_of(const Installation& installation) const;
    void give_back();

    Installations& store_;
    const Config& config_;
    const RenewalOrder& order_;
    const Endpoints endpoints_;
    const std::string holder_ =
        std::to_string(random_bits()) + "." + std::to_string(::getpid());
    const Millis wait_until_ = steady_now() + patience;
    Millis leased_until_ = 0;  // steady
    bool in_doubt_ = false;
    RestResult result_;
};

bool OneRenewal::look_for_lease(std::optional<Lease>& lease) {
    lease = store_.take_lease(order_.id, holder_, lease_lasts);
    if (lease) return true;
    result_ = end_by_others("another renewal of its tokens does not end");
    return result_.cause != RestCause::lost || steady_now() >= wait_until_;
}

// What others have done, without this one's lease; OTHERWISE: no more than that.
RestResult OneRenewal::end_by_others(const std::string& otherwise) {
    const std::optional<InstallationWithTokens> known = store_.find(order_.id);
    if (!known || known->installation.state == InstallationState::gone) {
        return failure(RestCause::not_installed, "the application was uninstalled");
    }
    if (is_renewed(*known, order_)) return {};
    return failure(RestCause::lost, otherwise);
}

// A store that is away for a moment is waited for too.
std::optional<Lease> OneRenewal::wait_for_lease() {
    for (;;) {
        std::optional<Lease> lease;
        result_ = {};
        try {
            if (look_for_lease(lease)) return lease;
        } catch (const StoreError&) {
            if (steady_now() >= wait_until_) throw;
        }
        pause();
    }
}

void OneRenewal::give_back() { store_.end_lease(order_.id, holder_, std::nullopt, wall_now()); }

const App* OneRenewal::app_of(const Installation& installation) const {
    const bool is_proven = installation.state != InstallationState::pending;
    const std::string& client_id = is_proven ? installation.client_id : order_.client_id;
    return block_of(config_, client_id);
}

RestResult OneRenewal::under_lease() {
    const std::optional<InstallationWithTokens> known = store_.find(order_.id);
    if (std::optional<RestResult> end = end_without_asking(known)) {
        give_back();
        return *end;
    }
    return ask_all(*known, *app_of(known->installation));
}

// What came of it already, or why the server is not asked; none: it is.
std::optional<RestResult> OneRenewal::end_without_asking(
    const std::optional<InstallationWithTokens>& known) const {
    if (!known) return failure(RestCause::not_installed, "it was forgotten");
    if (is_renewed(*known, order_)) return RestResult{};
    const Installation& one = known->installation;
    const bool is_broken = one.state == InstallationState::broken;
    if (is_broken && order_.client_id.empty()) return failure(RestCause::bad_grant, one.problem);
    if (known->tokens.refresh.empty()) {
        return failure(RestCause::bad_grant, "it has no refresh token");
    }
    if (app_of(one) == nullptr) {
        return failure(RestCause::wrong_client, "no `app` block has its client_id");
    }
    const Millis now = wall_now();
    const Millis age = now - one.renewed_at.value_or(0);
    const bool lives = known->tokens.expires_at > now + minute;
    if (order_.rejected && lives && age >= 0 && age < least_age) {
        return failure(RestCause::expired_token, "its tokens were renewed a moment ago already");
    }
    return std::nullopt;
}

RestResult OneRenewal::ask_all(const InstallationWithTokens& known, const App& app) {
    const std::string server =
        order_.server.empty() ? server_of(known.installation, config_) : order_.server;
    const std::vector<std::string> servers = authorization_servers(server, config_);
    RestResult result;
    for (const std::string& each : servers) {
        const bool last = &each == &servers.back();
        const RestResult one = ask(each, known, app, last ? patience : patience_if_more);
        if (one.succeeded()) return one;
        // The other of the two known servers knows neither the application nor its tokens: what that
        // says counts only where this one has said as much.
        const bool tells_more = is_refused(result.cause) && !is_refused(one.cause) &&
                                one.cause != RestCause::wrong_client;
        const bool is_first = &each == &servers.front();
        if (is_first || result.cause == RestCause::wrong_client || tells_more) result = one;
    }
    if (is_refused(result.cause)) return refused(result, known.tokens.refresh);
    give_back();
    return result;
}

RestResult OneRenewal::ask(const std::string& server, const InstallationWithTokens& known,
                           const App& app, Millis limit) {
    HttpSettings settings = settings_of(config_.rest);
    settings.timeout = std::min(settings.timeout, limit);
    settings.keep_ignored = true;
    fault_point("renewal-asks");
    HttpOutcome outcome =
        ask_http(renewal_request(server, app, known.tokens.refresh), settings, &endpoints_);
    const RenewalAnswer answer =
        renewal_of(std::move(outcome), app, known.tokens.refresh, known.installation.member_id,
                   endpoints_, wall_now());
    if (!answer.result.succeeded()) return answer.result;
    fault_point("renewal-answered");
    return commit(answer, server);
}

// As often as it takes while the lease lasts: what was answered is nowhere else.
RestResult OneRenewal::commit(const RenewalAnswer& answer, const std::string& server) {
    const Renewal renewal = renewal_of(answer, server);
    for (;;) {
        try {
            const bool is_ours = store_.end_lease(order_.id, holder_, renewal, wall_now());
            fault_point("renewal-committed");
            if (is_ours) return {};
            return end_by_others("the renewal took longer than its lease, or other tokens came "
                                 "meanwhile");
        } catch (const StoreError& error) {
            if (steady_now() >= leased_until_) {
                return failure(RestCause::server,
                               std::string("the new tokens cannot be stored: ") + error.what());
            }
        }
        pause();
    }
}

// A post may have brought other tokens meanwhile: then these alone were refused.
RestResult OneRenewal::refused(const RestResult& result, const std::string& refresh_token) {
    const std::optional<InstallationWithTokens> known = store_.find(order_.id);
    const bool unchanged = known && known->tokens.refresh == refresh_token;
    std::string problem = std::string(unrenewed_problem) + result.text;
    if (in_doubt_) problem += " (an earlier renewal ended before its answer was stored)";
    if (unchanged && known->installation.state == InstallationState::active) {
        const bool for_good = result.cause == RestCause::bad_grant;
        store_.note_refused(order_.id, holder_, problem,
                            for_good ? std::nullopt : std::optional(wall_now() + day));
        fault_point("renewal-refused");
    }
    give_back();
    return unchanged ? RestResult{result.cause, problem, false}
                     : end_by_others("other tokens came meanwhile");
}

}  // namespace

bool is_refused(RestCause cause) {
    switch (cause) {
        case RestCause::bad_grant:
        case RestCause::bad_token:
        case RestCause::no_right:
        case RestCause::not_installed:
        case RestCause::portal_gone: return true;
        default: return false;
    }
}

RestResult renew(Installations& store, const Config& config, const RenewalOrder& order) {
    return OneRenewal(store, config, order).run();
}

}  // namespace bx
