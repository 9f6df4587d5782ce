#include "postgres/take_installations.h"

#include "postgres/binding_columns.h"
#include "postgres/columns.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

Param bytes_or_null(std::string_view bytes) {
    return bytes.empty() ? Param::null() : Param::bytes(bytes);
}

Param time_or_null(const Session& session, std::optional<Millis> moment) {
    return Param::number(session.theirs(moment));
}

Call<sql::take_installation> installation_of(const Session& session,
                                             const MovedInstallation& moved) {
    using in = sql::take_installation::In;
    const Installation& one = moved.installation;
    Call<sql::take_installation> call;
    call[in::member] = Param::bytes(one.member_id);
    call[in::client] = Param::bytes(one.client_id);
    call[in::state] = Param::number(static_cast<std::int64_t>(one.state));
    call[in::domain] = Param::bytes(one.domain);
    call[in::user] = Param::bytes(one.user_id);
    call[in::token] = bytes_or_null(moved.application_token);
    call[in::token_before] = bytes_or_null(moved.application_token_before);
    call[in::page_key] = bytes_or_null(moved.page_key);
    call[in::expires] = time_or_null(session, one.token_expires_at);
    call[in::endpoint] = bytes_or_null(one.client_endpoint);
    call[in::server] = bytes_or_null(one.server);
    call[in::scope] = bytes_or_null(one.scope);
    call[in::plan] = bytes_or_null(one.plan_status);
    call[in::peer] = bytes_or_null(one.peer);
    call[in::installed] = session.at(one.installed_at);
    call[in::installed_ts] = Param::number(one.installed_ts);
    call[in::renewed] = time_or_null(session, one.renewed_at);
    call[in::last_event] = time_or_null(session, moved.last_event_at);
    call[in::gone] = time_or_null(session, moved.gone_at);
    if (!moved.lease_by.empty()) call[in::lease_by] = Param::text(moved.lease_by);
    call[in::in_doubt] = Param::boolean(moved.lease_until.has_value());
    call[in::problem] = bytes_or_null(one.problem);
    if (moved.tokens) call[in::tokens] = Param::bytes(pack_tokens(*moved.tokens));
    call[in::moved] = Param::boolean(moved.moved);
    return call;
}

Call<sql::take_chores> chores_of(const Session& session, InstallationId id,
                                 const MovedInstallation& moved) {
    using in = sql::take_chores::In;
    Call<sql::take_chores> call;
    call[in::id] = Param::number(id);
    call[in::what] = numbers_of(moved.chores, [](const MovedChore& chore) { return chore.what; });
    call[in::due] = numbers_of(
        moved.chores, [&](const MovedChore& chore) { return session.theirs(chore.due_at); });
    call[in::tries] = numbers_of(moved.chores, [](const MovedChore& chore) { return chore.tries; });
    return call;
}

Call<sql::add_bindings> bindings_of(const Session& session, InstallationId id,
                                    const MovedInstallation& moved) {
    Call<sql::add_bindings> call;
    call[sql::add_bindings::In::id] = Param::number(id);
    describe_bindings(call, moved.bindings, session);
    return call;
}

Call<sql::take_posts> posts_of(const Session& session, InstallationId id,
                               const std::vector<MovedPost>& posts) {
    using in = sql::take_posts::In;
    Call<sql::take_posts> call;
    call[in::id] = Param::number(id);
    call[in::received_at] = numbers_of(
        posts, [&](const MovedPost& post) { return session.theirs(post.received_at); });
    call[in::bytes] = numbers_of(posts, [](const MovedPost& post) { return post.bytes; });
    call[in::counted] = numbers_of(posts, [](const MovedPost& post) { return post.counted; });
    call[in::token] =
        bytes_of(posts, [](const MovedPost& post) -> const auto& { return post.token; });
    call[in::data] =
        bytes_of(posts, [](const MovedPost& post) -> const auto& { return post.packed; });
    return call;
}

// Inside the transaction.
InstallationId take_one(Session& session, const MovedInstallation& moved,
                        std::int64_t generation) {
    const Result answer = session.call(installation_of(session, moved), generation);
    using out = sql::take_installation::Out;
    if (answer.is_null(0, out::id)) return 0;
    const InstallationId id = answer.number(0, out::id);
    const bool made = answer.number(0, out::made) != 0;
    if (made && !moved.chores.empty()) session.call(chores_of(session, id, moved), generation);
    if (made && !moved.bindings.empty()) {
        session.call(bindings_of(session, id, moved), generation);
    }
    if (!moved.posts.empty()) session.call(posts_of(session, id, moved.posts), generation);
    return id;
}

// The posts of one that is verified here become events; also those that an earlier copy, which was
// broken off, has left.
void release_posts(Names& names, InstallationId id) {
    Call<sql::token_of_posts> call;
    call[sql::token_of_posts::In::id] = Param::number(id);
    const std::string token = names.session().call(call).text(0, 0);
    if (token.empty()) return;
    make_installations(names)->adopt_token(id, token);
}

}  // namespace

std::vector<InstallationId> take_installations(Names& names,
                                               std::span<const MovedInstallation> installations) {
    Session& session = names.session();
    std::vector<InstallationId> ids;
    const std::int64_t generation = session.generation();
    const Millis until = session.until();
    session.link(until).script("BEGIN", until);
    try {
        for (const MovedInstallation& one : installations) {
            ids.push_back(take_one(session, one, generation));
        }
        session.link(until).script("COMMIT", until);
    } catch (...) {
        session.lose();
        throw;
    }
    for (const InstallationId id : ids) {
        if (id > 0) release_posts(names, id);
    }
    return ids;
}

}  // namespace bx::postgres
