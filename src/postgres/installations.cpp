// Installations of the PostgreSQL store.
#include "base/text.h"
#include "postgres/new_events.h"
#include "postgres/parts.h"
#include "store/errors.h"

namespace bx::postgres {

namespace {

constexpr std::int64_t dropped_at_most = 200;  // installations in one transaction
constexpr int tries_at_most = 20;  // each in vain because another post was held meanwhile
constexpr std::int64_t others_by_now = 3;  // sql/installations.sql

// The fields that {shown_installation} has.
template <typename Out>
Installation read_installation(const Session& session, const Result& answer, int row) {
    Installation shown;
    shown.id = answer.number(row, Out::id);
    shown.member_id = answer.text(row, Out::member_id);
    shown.client_id = answer.text(row, Out::client_id);
    shown.state = static_cast<InstallationState>(answer.number(row, Out::state));
    shown.domain = answer.text(row, Out::domain);
    shown.user_id = answer.text(row, Out::user_id);
    shown.client_endpoint = answer.text(row, Out::client_endpoint);
    shown.server = answer.text(row, Out::server);
    shown.scope = answer.text(row, Out::scope);
    shown.plan_status = answer.text(row, Out::plan_status);
    shown.peer = answer.text(row, Out::peer);
    shown.problem = answer.text(row, Out::problem);
    shown.installed_at = session.ours(answer.number(row, Out::installed_at));
    shown.installed_ts = answer.maybe_number(row, Out::installed_ts);
    shown.token_expires_at = session.ours(answer.maybe_number(row, Out::token_expires_at));
    shown.renewed_at = session.ours(answer.maybe_number(row, Out::renewed_at));
    shown.has_application_token = answer.number(row, Out::known) != 0;
    shown.was_leased = answer.number(row, Out::leased) != 0;
    shown.held = answer.number(row, Out::held);
    return shown;
}

Param bytes_or_null(std::string_view bytes) {
    return bytes.empty() ? Param::null() : Param::bytes(bytes);
}

class Keeper final : public Installations {
public:
    explicit Keeper(Names& names) : names_(names), session_(names.session()) {}

    std::optional<InstallationWithTokens> find(InstallationId id) override;

    Activation activate(const Proof& proof) override;
    Keeping keep_unclaimed(const Proof& proof) override;
    void erase(InstallationId id) override;
    bool refuse(const InstallationWithTokens& seen) override;
    std::vector<HeldPost> held_posts(InstallationId id) override;
    Activation adopt_token(InstallationId id, const std::string& token) override;
    std::size_t refuse_token(InstallationId id, const HeldPost& judged) override;

    std::optional<Lease> take_lease(InstallationId id, const std::string& holder,
                                    Millis lasting) override;
    bool end_lease(InstallationId id, const std::string& holder,
                   const std::optional<Renewal>& renewal, Millis now) override;
    void note_refused(InstallationId id, const std::string& holder, const std::string& problem,
                      std::optional<Millis> again_at) override;

    bool uninstalled(InstallationId id, std::string_view ts, Millis received_at) override;
    std::size_t drop_old(Millis pending_before, Millis gone_before) override;

    std::vector<Installation> list(std::string_view name) override;
    InstallationCounts counts() override;

private:
    // Held posts, and what they become.
    struct Posts {
        std::vector<std::int64_t> ids;
        std::vector<NewEvent> events;
    };

    Posts read_posts(const Result& answer, const PostOwner& owner) const;
    template <typename Function>
    void add_posts(Call<Function>& call, const Posts& posts);
    Activation activate_once(const Proof& proof);
    Activation adopt_once(InstallationId id, const std::string& token);
    Activation outcome(std::int64_t result, InstallationId id, const Posts& posts);
    template <typename Function>
    void add_proof(Call<Function>& call, const Proof& proof) const;
    void wake_workers();
    // `renewed` with the refresh token that is kept, where the answer had none.
    Tokens whole(InstallationId id, Tokens renewed);

    Names& names_;
    Session& session_;
};

// What a later transaction decides on is read by an earlier one: it says so when that has changed.
template <typename Work>
Activation until_settled(Work work) {
    for (int tries = 0; tries < tries_at_most; ++tries) {
        const Activation activation = work();
        if (static_cast<std::int64_t>(activation.result) != others_by_now) return activation;
    }
    throw StoreBusy("posts of an installation keep coming while it becomes active");
}

std::optional<InstallationWithTokens> Keeper::find(InstallationId id) {
    using out = sql::find_installation::Out;
    Call<sql::find_installation> call;
    call[sql::find_installation::In::id] = Param::number(id);
    const Result answer = session_.call(call);
    if (answer.rows() == 0) return std::nullopt;
    InstallationWithTokens found;
    found.installation = read_installation<out>(session_, answer, 0);
    if (!answer.is_null(0, out::tokens)) found.tokens = unpack_tokens(answer.text(0, out::tokens));
    found.tokens.expires_at = found.installation.token_expires_at.value_or(0);
    return found;
}

// -- Verifying

// Those that cannot be read go too.
Keeper::Posts Keeper::read_posts(const Result& answer, const PostOwner& owner) const {
    using out = sql::posts_for::Out;
    Posts posts;
    for (int row = 0; row < answer.rows(); ++row) {
        posts.ids.push_back(answer.number(row, out::id));
        try {
            NewEvent post = unpack_post(answer.text(row, out::data));
            // By the host's clock that held it, in the post; by the server's, in the row.
            post.received_at = session_.ours(answer.number(row, out::received_at));
            posts.events.push_back(event_of(std::move(post), owner));
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

template <typename Function>
void Keeper::add_posts(Call<Function>& call, const Posts& posts) {
    using in = typename Function::In;
    call[in::key] = Param::bytes(batch_key());
    call[in::at] = session_.at(wall_now());
    call[in::ts] = add_events(call, names_, posts.events);
    call[in::posts] = Param::numbers(posts.ids);
}

template <typename Function>
void Keeper::add_proof(Call<Function>& call, const Proof& proof) const {
    using in = typename Function::In;
    call[in::id] = Param::number(proof.id);
    call[in::client] = Param::bytes(proof.client_id);
    call[in::domain] = Param::bytes(lower(proof.domain));
    call[in::user] = Param::bytes(proof.user_id);
    call[in::endpoint] = Param::bytes(proof.client_endpoint);
    call[in::server] = Param::bytes(proof.server);
    call[in::scope] = Param::bytes(proof.scope);
    call[in::plan] = Param::bytes(proof.plan_status);
}

Activation Keeper::outcome(std::int64_t result, InstallationId id, const Posts& posts) {
    if (result != 0) return {static_cast<Activation::Result>(result), id, 0};
    if (!posts.events.empty()) wake_workers();
    return {Activation::Result::done, id, posts.events.size()};
}

// Who is not woken looks by itself within a second.
void Keeper::wake_workers() {
    try {
        session_.call(Call<sql::wake>());
    } catch (const StoreError&) {
    }
}

Activation Keeper::activate_once(const Proof& proof) {
    using in = sql::activate::In;
    Call<sql::heir_of> heirs;
    heirs[sql::heir_of::In::id] = Param::number(proof.id);
    heirs[sql::heir_of::In::client] = Param::bytes(proof.client_id);
    const Result found = session_.call(heirs);
    if (found.rows() == 0) return {};
    const InstallationId heir = found.number(0, sql::heir_of::Out::heir);
    Call<sql::posts_for> posts_call;
    posts_call[sql::posts_for::In::id] = Param::number(proof.id);
    posts_call[sql::posts_for::In::heir] = Param::number(heir);
    posts_call[sql::posts_for::In::client] = Param::bytes(proof.client_id);
    const Posts posts =
        read_posts(session_.call(posts_call),
                   {heir, found.text(0, sql::heir_of::Out::member_id), lower(proof.domain)});
    Call<sql::activate> call;
    add_posts(call, posts);
    add_proof(call, proof);
    call[in::heir] = Param::number(heir);
    call[in::tokens] = Param::bytes(pack_tokens(proof.tokens));
    call[in::expires] = session_.at_if_known(proof.tokens.expires_at);
    return outcome(session_.call(call).number(0, 0), heir, posts);
}

Activation Keeper::activate(const Proof& proof) {
    return until_settled([&] { return activate_once(proof); });
}

Keeping Keeper::keep_unclaimed(const Proof& proof) {
    using in = sql::keep_unclaimed::In;
    Call<sql::keep_unclaimed> call;
    add_proof(call, proof);
    call[in::tokens] = Param::bytes(pack_tokens(proof.tokens));
    call[in::most] = Param::number(hold_limits.unclaimed);
    return static_cast<Keeping>(session_.call(call).number(0, 0));
}

void Keeper::erase(InstallationId id) {
    Call<sql::erase_installation> call;
    call[sql::erase_installation::In::id] = Param::number(id);
    session_.call(call);
}

bool Keeper::refuse(const InstallationWithTokens& seen) {
    using in = sql::refuse_installation::In;
    Call<sql::refuse_installation> call;
    call[in::id] = Param::number(seen.installation.id);
    call[in::user] = Param::bytes(seen.installation.user_id);
    call[in::server] = Param::bytes(seen.installation.server);
    call[in::tokens] = Param::bytes(pack_tokens(seen.tokens));
    return session_.call(call).number(0, 0) != 0;
}

std::vector<HeldPost> Keeper::held_posts(InstallationId id) {
    using out = sql::held_proofs::Out;
    Call<sql::held_proofs> call;
    call[sql::held_proofs::In::id] = Param::number(id);
    const Result answer = session_.call(call);
    std::vector<HeldPost> posts;
    for (int row = 0; row < answer.rows(); ++row) {
        try {
            posts.push_back({answer.number(row, out::id), answer.text(row, out::token),
                             unpack_post(answer.text(row, out::data))});
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

Activation Keeper::adopt_once(InstallationId id, const std::string& token) {
    using in = sql::adopt_token::In;
    Call<sql::installation_name> names;
    names[sql::installation_name::In::id] = Param::number(id);
    const Result name = session_.call(names);
    if (name.rows() == 0) return {};
    Call<sql::posts_with> posts_call;
    posts_call[sql::posts_with::In::id] = Param::number(id);
    posts_call[sql::posts_with::In::token] = Param::bytes(token);
    const Posts posts =
        read_posts(session_.call(posts_call),
                   {id, name.text(0, sql::installation_name::Out::member_id),
                    name.text(0, sql::installation_name::Out::domain)});
    Call<sql::adopt_token> call;
    add_posts(call, posts);
    call[in::id] = Param::number(id);
    call[in::token] = Param::bytes(token);
    return outcome(session_.call(call).number(0, 0), id, posts);
}

Activation Keeper::adopt_token(InstallationId id, const std::string& token) {
    return until_settled([&] { return adopt_once(id, token); });
}

std::size_t Keeper::refuse_token(InstallationId id, const HeldPost& judged) {
    Call<sql::refuse_token> call;
    call[sql::refuse_token::In::id] = Param::number(id);
    call[sql::refuse_token::In::token] = Param::bytes(judged.token);
    call[sql::refuse_token::In::last] = Param::number(judged.id);
    return static_cast<std::size_t>(session_.call(call).number(0, 0));
}

// -- Tokens

std::optional<Lease> Keeper::take_lease(InstallationId id, const std::string& holder,
                                        Millis lasting) {
    using in = sql::take_lease::In;
    using out = sql::take_lease::Out;
    Call<sql::take_lease> call;
    call[in::id] = Param::number(id);
    call[in::holder] = Param::text(holder);
    call[in::lasting] = Param::number(lasting);
    const Result answer = session_.call(call);
    if (answer.rows() == 0) return std::nullopt;
    Lease lease;
    if (!answer.is_null(0, out::tokens)) lease.tokens = unpack_tokens(answer.text(0, out::tokens));
    lease.tokens.expires_at =
        session_.ours(answer.maybe_number(0, out::expires)).value_or(0);
    lease.in_doubt = answer.number(0, out::in_doubt) != 0;
    return lease;
}

Tokens Keeper::whole(InstallationId id, Tokens renewed) {
    if (!renewed.refresh.empty()) return renewed;
    Call<sql::tokens_of> call;
    call[sql::tokens_of::In::id] = Param::number(id);
    const std::string kept = session_.call(call).text(0, 0);
    if (!kept.empty()) renewed.refresh = unpack_tokens(kept).refresh;
    return renewed;
}

bool Keeper::end_lease(InstallationId id, const std::string& holder,
                       const std::optional<Renewal>& renewal, Millis now) {
    using in = sql::end_lease::In;
    Call<sql::end_lease> call;
    call[in::id] = Param::number(id);
    call[in::holder] = Param::text(holder);
    call[in::now] = session_.at(now);
    if (renewal) {
        call[in::tokens] = Param::bytes(pack_tokens(whole(id, renewal->tokens)));
        call[in::expires] = session_.at_if_known(renewal->tokens.expires_at);
        call[in::endpoint] = bytes_or_null(renewal->client_endpoint);
        call[in::domain] = bytes_or_null(lower(renewal->domain));
        call[in::scope] = bytes_or_null(renewal->scope);
        call[in::user] = Param::bytes(renewal->user_id);
        call[in::server] = bytes_or_null(renewal->server);
    }
    return session_.call(call).number(0, 0) != 0;
}

void Keeper::note_refused(InstallationId id, const std::string& holder,
                          const std::string& problem, std::optional<Millis> again_at) {
    using in = sql::note_refused::In;
    Call<sql::note_refused> call;
    call[in::holder] = Param::text(holder);
    call[in::id] = Param::number(id);
    call[in::problem] = Param::bytes(problem);
    call[in::again] = Param::number(session_.theirs(again_at));
    session_.call(call);
}

// -- The end

bool Keeper::uninstalled(InstallationId id, std::string_view ts, Millis received_at) {
    using in = sql::uninstalled::In;
    Call<sql::uninstalled> call;
    call[in::id] = Param::number(id);
    call[in::ts] = Param::number(parse_number(ts));
    call[in::received_at] = session_.at(received_at);
    call[in::now] = session_.at(wall_now());
    return session_.call(call).number(0, 0) != 0;
}

std::size_t Keeper::drop_old(Millis pending_before, Millis gone_before) {
    using in = sql::drop_old_installations::In;
    Call<sql::drop_old_installations> call;
    call[in::pending_before] = session_.at(pending_before);
    call[in::gone_before] = session_.at(gone_before);
    call[in::most] = Param::number(dropped_at_most);
    return static_cast<std::size_t>(session_.call(call).number(0, 0));
}

// -- Shown

std::vector<Installation> Keeper::list(std::string_view name) {
    using in = sql::show_installations::In;
    Call<sql::show_installations> call;
    call[in::all] = Param::boolean(name.empty());
    call[in::member] = Param::bytes(name);
    call[in::domain] = Param::bytes(lower(name));
    const Result answer = session_.call(call);
    std::vector<Installation> all;
    for (int row = 0; row < answer.rows(); ++row) {
        all.push_back(read_installation<sql::show_installations::Out>(session_, answer, row));
    }
    return all;
}

InstallationCounts Keeper::counts() {
    using out = sql::installation_states::Out;
    const Result states = session_.call(Call<sql::installation_states>());
    InstallationCounts counts;
    for (int row = 0; row < states.rows(); ++row) {
        counts.of(static_cast<InstallationState>(states.number(row, out::state))) =
            states.number(row, out::number);
    }
    counts.held = session_.call(Call<sql::held_count>()).number(0, 0);
    return counts;
}

}  // namespace

std::unique_ptr<Installations> make_installations(Names& names) {
    return std::make_unique<Keeper>(names);
}

}  // namespace bx::postgres
