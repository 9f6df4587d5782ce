#include "sync/verification.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/fault.h"
#include "event/payload.h"
#include "rest/http_pool.h"
#include "rest/oauth.h"
#include "sync/pace.h"
#include "sync/renewal_process.h"

namespace bx {

namespace {

bool takes_unknown(const Config& config) {
    return std::ranges::find(config.apps, "", &App::client_id) != config.apps.end();
}

// True when the authorization server does not know the token.  One whose application is switched
// off, or whose portal is not found, it knows.
bool is_unknown(RestCause cause) {
    return cause == RestCause::wrong_client || cause == RestCause::bad_token;
}

// What app.info says of a token, and which server said it.
struct Asked {
    enum class Kind { known, expired, unknown, no_answer } kind = Kind::no_answer;
    std::string server{};
    AppInfo info{};
};

Asked ask_app_info(const SyncContext& context, const std::string& server_endpoint,
                   const std::string& access_token) {
    Asked asked{.kind = Asked::Kind::unknown};
    for (const std::string& server : authorization_servers(server_endpoint, context.config)) {
        AppInfo info = app_info_of(ask_http(app_info_request(server, access_token), context.http,
                                            &context.endpoints),
                                   access_token, context.endpoints);
        const RestCause cause = info.result.cause;
        const bool is_expired = cause == RestCause::expired_token;
        if (info.result.succeeded() || is_expired) {
            return {is_expired ? Asked::Kind::expired : Asked::Kind::known, server,
                    std::move(info)};
        }
        if (!is_unknown(cause)) asked = {Asked::Kind::no_answer, server, std::move(info)};
        else if (asked.server.empty()) asked = {Asked::Kind::unknown, server, std::move(info)};
    }
    return asked;
}

// Who the user of GRANT's token is: a call to the portal as any other, in its turn.
Profile ask_profile(const SyncContext& context, const std::string& member_id,
                    const std::string& client_id, const Grant& grant) {
    const std::string method = "profile";
    SharedPace pace = pace_of(context, member_id, client_id);
    if (!pace.wait_for_turn(method, turn_until(context))) {
        return {{RestCause::limit, std::string(no_turn), false}, "", false};
    }
    const RestAnswer answer =
        answer_of(ask_http(profile_request(grant.endpoint, grant.token), context.http,
                           &context.endpoints),
                  {grant.token});
    pace.note(method, answer);
    return profile_of(answer);
}

// One installation on its way from pending to active.
class Verification {
public:
    Verification(const SyncContext& context, const InstallationWithTokens& known)
        : context_(context), known_(known), one_(known.installation) {}

    ChoreEnd run() {
        if (known_.tokens.access.empty()) {
            return in_vain("its tokens are damaged" + std::string(install_again));
        }
        const Asked asked = ask_app_info(context_, one_.server, known_.tokens.access);
        switch (asked.kind) {
            case Asked::Kind::unknown:
                if (may_be_forgotten()) return prove_by_renewal(one_.server, asked.kind);
                return refuse("the authorization server does not know its token");
            case Asked::Kind::no_answer: return in_vain("app.info: " + asked.info.result.text);
            case Asked::Kind::expired: return prove_by_renewal(asked.server, asked.kind);
            case Asked::Kind::known: break;
        }
        return judge(asked);
    }

private:
    bool may_be_forgotten() const;
    std::vector<std::string> possible_clients() const;
    ChoreEnd judge(const Asked& asked);
    bool may_be_dead(Asked::Kind said) const;
    ChoreEnd prove_by_renewal(const std::string& server, Asked::Kind said);
    RestResult renew(const std::string& client_id, const std::string& server) const;
    ChoreEnd activate(Proof proof);
    std::optional<ChoreEnd> check_user(const Proof& proof, const InstallationWithTokens& renewed);
    std::optional<Installation> earlier(const std::string& client_id) const;
    ChoreEnd keep(Proof proof);
    ChoreEnd refuse(const std::string& cause) { return refuse(cause, known_); }
    ChoreEnd refuse(const std::string& cause, const InstallationWithTokens& judged);
    ChoreEnd in_vain(std::string problem) const;

    const SyncContext& context_;
    const InstallationWithTokens& known_;
    const Installation& one_;
};

constexpr std::string_view changed_since = "it has changed since: it is judged again";

ChoreEnd Verification::refuse(const std::string& cause, const InstallationWithTokens& judged) {
    if (!context_.installations.refuse(judged)) {
        return in_vain(cause + ", but " + std::string(changed_since));
    }
    context_.tell(news_of(one_, SyncNews::Kind::refused, "installation refused", cause));
    return {};
}

ChoreEnd Verification::in_vain(std::string problem) const {
    context_.tell(news_of(one_, SyncNews::Kind::in_vain, "cannot verify yet", problem));
    return {ChoreEnd::Kind::in_vain, std::move(problem)};
}

std::string why_not_renewed(const RestResult& result) {
    std::string why = "renewal: " + result.text;
    if (result.cause == RestCause::wrong_client) {
        why += " (is client_secret in the `app` block what Bitrix24 shows?)";
    }
    if (result.cause == RestCause::bad_grant) why += install_again;
    return why;
}

Proof proof_of(const Installation& one, const std::string& server) {
    Proof proof;
    proof.id = one.id;
    proof.user_id = one.user_id;
    proof.server = server;
    return proof;
}

ChoreEnd Verification::judge(const Asked& asked) {
    const AppInfo& info = asked.info;
    if (info.member_id != one_.member_id) return refuse("its token is of another portal");
    if (!one_.user_id.empty() && info.user_id != one_.user_id) {
        return refuse("its token is another user's");
    }
    Proof proof = proof_of(one_, asked.server);
    proof.client_id = info.client_id;
    proof.user_id = info.user_id;
    proof.client_endpoint = info.client_endpoint;
    proof.domain = host_of(info.client_endpoint);
    proof.scope = joined(info.scope);
    proof.plan_status = info.status;
    if (block_of(context_.config, info.client_id) == nullptr) return keep(std::move(proof));
    // Renewed already: the block's secret is proven, as whoever did that ended before this.
    if (!one_.renewed_at) {
        const RestResult renewed = renew(info.client_id, asked.server);
        if (!renewed.succeeded()) return in_vain(why_not_renewed(renewed));
    }
    return activate(std::move(proof));
}

// An access token that was good once is known no more after a while, or when its chain has gone on:
// that says nothing of its refresh token.  How long it is good its post alone says: an hour at
// least.
bool Verification::may_be_forgotten() const {
    const Millis ends = std::max(one_.token_expires_at.value_or(0), one_.installed_at + hour);
    return one_.renewed_at || !one_.client_id.empty() || ends <= wall_now();
}

// Where app.info said once which application it is, that one; else each that has a block.
std::vector<std::string> Verification::possible_clients() const {
    if (block_of(context_.config, one_.client_id) != nullptr) return {one_.client_id};
    std::vector<std::string> clients;
    for (const App& app : context_.config.apps) {
        if (!app.client_id.empty()) clients.push_back(app.client_id);
    }
    return clients;
}

// The server's word that it knows nothing of the refresh token either ends it: unless that was sent
// before, and may be spent by a renewal whose answer was lost, or is of an application in no block.
bool Verification::may_be_dead(Asked::Kind said) const {
    return said == Asked::Kind::unknown && !one_.was_leased && !takes_unknown(context_.config);
}

// Its access token is too old to say whose it is: the chain belongs to the application by whose
// secret it goes on.
ChoreEnd Verification::prove_by_renewal(const std::string& server, Asked::Kind said) {
    RestResult told{RestCause::wrong_client, "no `app` block has a client_id", false};
    const std::vector<std::string> clients = possible_clients();
    bool is_dead = may_be_dead(said) && !clients.empty();
    for (const std::string& client_id : clients) {
        const RestResult one = renew(client_id, server);
        is_dead = is_dead && one.cause == RestCause::bad_grant;
        if (one.succeeded()) {
            Proof proof = proof_of(one_, server);
            proof.client_id = client_id;
            return activate(std::move(proof));
        }
        // Those of others are refused in any case.
        const bool says_little = told.cause == RestCause::wrong_client || is_refused(told.cause);
        if (says_little) told = one;
    }
    if (is_dead) return refuse("the authorization server knows neither of its tokens");
    return in_vain(why_not_renewed(told));
}

RestResult Verification::renew(const std::string& client_id, const std::string& server) const {
    return renew_apart(context_.config.path, {.id = one_.id,
                                              .seen = one_.renewed_at.value_or(0),
                                              .client_id = client_id,
                                              .server = server},
                       {context_.http.until});
}

std::optional<Installation> Verification::earlier(const std::string& client_id) const {
    for (const Installation& other : context_.installations.list(one_.member_id)) {
        const bool stands = other.state == InstallationState::active ||
                            other.state == InstallationState::broken;
        if (stands && other.client_id == client_id && other.member_id == one_.member_id) {
            return other;
        }
    }
    return std::nullopt;
}

// An administrator has to have installed it, or who did before; else it stays as it is.
std::optional<ChoreEnd> Verification::check_user(const Proof& proof,
                                                 const InstallationWithTokens& renewed) {
    const Profile profile =
        ask_profile(context_, one_.member_id, proof.client_id,
                    {Right::application, proof.client_endpoint, proof.tokens.access});
    if (!profile.result.succeeded()) return in_vain("profile: " + profile.result.text);
    if (!proof.user_id.empty() && profile.user_id != proof.user_id) {
        return refuse("its token is another user's", renewed);
    }
    if (profile.admin) return std::nullopt;
    const std::optional<Installation> before = earlier(proof.client_id);
    if (before && before->user_id == profile.user_id) return std::nullopt;
    return in_vain("user " + profile.user_id + " is not an administrator" +
                   std::string(install_again));
}

// What was judged is what is renewed unless it was installed again between the two.
ChoreEnd Verification::activate(Proof proof) {
    const std::optional<InstallationWithTokens> renewed = context_.installations.find(one_.id);
    if (!renewed || renewed->installation.state != InstallationState::pending) return {};
    if (renewed->installation.installed_at != one_.installed_at) {
        return in_vain(std::string(changed_since));
    }
    proof.tokens = renewed->tokens;
    if (!renewed->installation.client_endpoint.empty()) {
        proof.client_endpoint = renewed->installation.client_endpoint;
        proof.domain = host_of(proof.client_endpoint);
    }
    if (proof.scope.empty()) proof.scope = renewed->installation.scope;
    if (proof.server.empty()) proof.server = renewed->installation.server;
    if (proof.client_endpoint.empty()) {
        return in_vain("the authorization server names no address of the portal that may be asked");
    }
    if (std::optional<ChoreEnd> end = check_user(proof, *renewed)) return *end;
    const Activation done = context_.installations.activate(proof);
    switch (done.result) {
        case Activation::Result::done: break;
        case Activation::Result::not_pending: return {};
        case Activation::Result::changed: return in_vain(std::string(changed_since));
    }
    SyncNews news = news_of(one_, SyncNews::Kind::done, "verified");
    news.portal = proof.domain;
    news.client_id = proof.client_id;
    news.events = done.events;
    context_.tell(news);
    ChoreEnd end;
    end.active_on = {one_.member_id, proof.domain};
    return end;
}

ChoreEnd Verification::keep(Proof proof) {
    if (!takes_unknown(context_.config)) {
        return refuse("no `app` block has its client_id");
    }
    proof.tokens = known_.tokens;
    switch (context_.installations.keep_unclaimed(proof)) {
        case Keeping::kept: break;
        case Keeping::too_many:
            return refuse("too many wait for an `app` block with their client_id already");
        case Keeping::changed: return in_vain(std::string(changed_since));
    }
    fault_point("installation-kept");
    SyncNews news = news_of(one_, SyncNews::Kind::done, "waits for an app block");
    news.portal = proof.domain;
    news.client_id = proof.client_id;
    context_.tell(news);
    return {};
}

// -- One without application_token

std::string access_token_of(const NewEvent& event) {
    const auto values = list_payload(event.body, event.secrets, Secrets::keep);
    const PayloadValue* value = find_value(values, "auth.access_token");
    return value != nullptr && value->is_text() && is_token(value->text) ? std::string(value->text)
                                                                         : "";
}

enum class Match {
    yes,
    no,         // the server knows the token, as somebody else's, or does not know it
    undecided,  // it proves nothing, and another post of the same sender may
    no_answer,
};

Match is_administrators(const SyncContext& context, const Installation& one,
                        const std::string& access_token) {
    const Profile profile = ask_profile(context, one.member_id, one.client_id,
                                        {Right::application, one.client_endpoint, access_token});
    if (!profile.result.succeeded()) return Match::no_answer;
    return profile.admin ? Match::yes : Match::undecided;
}

// An access token lives for an hour: of an older one the server may know nothing, though it was right.
Match match_of(const SyncContext& context, const Installation& one, Millis received_at,
               const std::string& access_token) {
    const Asked asked = ask_app_info(context, server_of(one, context.config), access_token);
    switch (asked.kind) {
        case Asked::Kind::unknown:
            return received_at + hour > wall_now() ? Match::no : Match::undecided;
        case Asked::Kind::expired: return Match::undecided;
        case Asked::Kind::no_answer: return Match::no_answer;
        case Asked::Kind::known: break;
    }
    const AppInfo& info = asked.info;
    if (info.member_id != one.member_id || info.client_id != one.client_id) return Match::no;
    if (info.user_id == one.user_id) return Match::yes;
    return is_administrators(context, one, access_token);
}

// What is right of the posts that are held for one without application_token.
class Adoption {
public:
    Adoption(const SyncContext& context, const Installation& one) : context_(context), one_(one) {}

    ChoreEnd run() {
        std::vector<HeldPost> posts = context_.installations.held_posts(one_.id);
        std::ranges::reverse(posts);
        for (const HeldPost& post : posts) {
            const std::string access_token = access_token_of(post.event);
            if (access_token.empty()) continue;
            const bool is_over = steady_now() - began_ >= adopting_lasts;
            if (asked_ == tokens_at_once || is_over) return undecided("more posts wait to be looked at");
            if (std::optional<ChoreEnd> end = look_at(post, access_token)) return *end;
        }
        return {};  // what is left proves nothing: the next post has them looked at again
    }

private:
    std::optional<ChoreEnd> look_at(const HeldPost& post, const std::string& access_token) {
        if (asked_++ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ask_step));
        switch (match_of(context_, one_, post.event.received_at, access_token)) {
            case Match::yes: return adopt(post.token);
            case Match::no: refuse(post); break;
            case Match::undecided: break;
            case Match::no_answer: return undecided("the server does not answer");
        }
        return std::nullopt;
    }
    void refuse(const HeldPost& judged);
    ChoreEnd adopt(const std::string& token);
    static ChoreEnd undecided(const std::string& cause) {
        return {ChoreEnd::Kind::in_vain,
                "it cannot be told yet which application_token is right: " + cause};
    }

    static constexpr std::size_t tokens_at_once = 10;
    static constexpr Millis ask_step = second / 5;
    const SyncContext& context_;
    const Installation& one_;
    const Millis began_ = steady_now();
    std::size_t asked_ = 0;
};

void Adoption::refuse(const HeldPost& judged) {
    const std::size_t erased = context_.installations.refuse_token(one_.id, judged);
    if (erased == 0) return;
    context_.tell(news_of(one_, SyncNews::Kind::refused, "held posts refused",
                          "their access token is not this installation's; erased: " +
                              std::to_string(erased)));
}

ChoreEnd Adoption::adopt(const std::string& token) {
    const Activation done = context_.installations.adopt_token(one_.id, token);
    SyncNews news = news_of(one_, SyncNews::Kind::done, "application_token found");
    news.events = done.events;
    context_.tell(news);
    return {};
}

}  // namespace

ChoreEnd verify(const SyncContext& context, const InstallationWithTokens& known) {
    return Verification(context, known).run();
}

ChoreEnd adopt_application_token(const SyncContext& context, const InstallationWithTokens& known) {
    return Adoption(context, known.installation).run();
}

}  // namespace bx
