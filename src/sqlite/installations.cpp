// Installations of the SQLite store.
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "sqlite/event_writer.h"
#include "sqlite/held_posts.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

constexpr std::int64_t dropped_at_most = 200;  // installations in one transaction

Bound text_or_null(std::string_view text) {
    if (text.empty()) return nullptr;
    return text;
}

Installation read_installation(const Rows& rows) {
    using row = sql::shown_installation;
    Installation shown;
    shown.id = rows.number(row::id);
    shown.member_id = rows.text(row::member_id);
    shown.client_id = rows.text(row::client_id);
    shown.state = static_cast<InstallationState>(rows.number(row::state));
    shown.domain = rows.text(row::domain);
    shown.user_id = rows.text(row::user_id);
    shown.client_endpoint = rows.text(row::client_endpoint);
    shown.server = rows.text(row::server);
    shown.scope = rows.text(row::scope);
    shown.plan_status = rows.text(row::plan_status);
    shown.peer = rows.text(row::peer);
    shown.problem = rows.text(row::problem);
    shown.installed_at = rows.number(row::installed_at);
    shown.installed_ts = rows.maybe_number(row::installed_ts);
    shown.token_expires_at = rows.maybe_number(row::token_expires_at);
    shown.renewed_at = rows.maybe_number(row::renewed_at);
    shown.has_application_token = rows.number(row::known) != 0;
    shown.held = rows.number(row::held);
    return shown;
}

// Kept free for a commit: a file without a name beside the store.  Where there is none it throws.
constexpr off_t room_for_commit = off_t{256} << 10;  // bytes

Fd keep_room(const std::string& dir) {
    Fd room(::open(dir.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    // No such file on this file system: then the lease's own commit has to do as proof.
    if (!room) return room;
    const int error = ::posix_fallocate(room.get(), 0, room_for_commit);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL) return room;
    throw StoreError(system_error("no room for the answer to a renewal in '" + dir + "'", error)
                         .what());
}

// The row of an installation.
struct Row {
    std::string member_id;
    std::string domain;
    std::string application_token;
    Millis installed_at = 0;
    std::optional<std::int64_t> installed_ts;
    InstallationState state = InstallationState::gone;
};

std::optional<Row> read_row(Database& database, InstallationId id) {
    Rows rows = database.rows(sql::install, id);
    if (!rows.next()) return std::nullopt;
    using row = sql::install_row;
    Row read;
    read.member_id = rows.text(row::member_id);
    read.domain = rows.text(row::domain);
    read.application_token = rows.text(row::application_token);
    read.installed_at = rows.number(row::installed_at);
    read.installed_ts = rows.maybe_number(row::installed_ts);
    read.state = static_cast<InstallationState>(rows.number(row::state));
    return read;
}

class Keeper final : public Installations {
public:
    explicit Keeper(Names& names) : db_(names.database()), writer_(names) {}

    std::optional<InstallationWithTokens> find(InstallationId id) override;

    Activation activate(const Proof& proof, std::int64_t queue_limit) override;
    bool keep_unclaimed(const Proof& proof) override;
    void erase(InstallationId id) override;
    std::vector<HeldPost> held_posts(InstallationId id) override;
    Activation adopt_token(InstallationId id, const std::string& token,
                           std::int64_t queue_limit) override;

    std::optional<Lease> take_lease(InstallationId id, const std::string& holder,
                                    Millis lasting) override;
    bool end_lease(InstallationId id, const std::string& holder,
                   const std::optional<Renewal>& renewal, Millis now) override;
    void break_down(InstallationId id, const std::string& problem) override;

    bool uninstalled(InstallationId id, std::string_view ts) override;
    std::size_t drop_old(Millis pending_before, Millis gone_before) override;

    std::vector<Installation> list(std::string_view name) override;
    InstallationCounts counts() override;

private:
    using Posts = std::vector<HeldPosts::Held>;

    bool fit(const Posts& posts, std::int64_t queue_limit);
    std::size_t make_events(HeldPosts& held, const Posts& posts, const PostOwner& owner);
    void take_over(const Proof& proof, const Row& pending, InstallationId heir);
    bool renew(HeldPosts& held, InstallationId id, const Renewal& renewal, Millis now);

    Database& db_;
    EventWriter writer_;
    Fd room_;  // while this process has a lease
};

std::optional<InstallationWithTokens> Keeper::find(InstallationId id) {
    const Transaction moment(db_, Transaction::Kind::read);
    InstallationWithTokens found;
    {
        Rows rows = db_.rows(sql::installation_shown, id);
        if (!rows.next()) return std::nullopt;
        found.installation = read_installation(rows);
    }
    found.tokens = HeldPosts(db_, writer_.hand()).tokens_of(id);
    found.tokens.expires_at = found.installation.token_expires_at.value_or(0);
    return found;
}

// -- Verifying

bool Keeper::fit(const Posts& posts, std::int64_t queue_limit) {
    if (posts.empty()) return true;
    return last_event(db_).unfinished() + static_cast<std::int64_t>(posts.size()) <= queue_limit;
}

// Removes the posts; gives how many events they became.
std::size_t Keeper::make_events(HeldPosts& held, const Posts& posts, const PostOwner& owner) {
    LastEvent last = last_event(db_);
    std::size_t made = 0;
    for (const HeldPosts::Held& post : posts) {
        held.remove(post);
        if (!post.event) continue;
        writer_.insert(event_of(*post.event, owner), last);
        ++made;
    }
    return made;
}

void Keeper::take_over(const Proof& proof, const Row& pending, InstallationId heir) {
    Bound token = nullptr;
    if (!pending.application_token.empty()) token = Blob{pending.application_token};
    db_.run(sql::installation_activate, heir, proof.client_id, lower(proof.domain), proof.user_id,
            token, proof.tokens.expires_at, proof.client_endpoint, proof.server, proof.scope,
            proof.plan_status, pending.installed_at, pending.installed_ts, wall_now());
}

Activation Keeper::activate(const Proof& proof, std::int64_t queue_limit) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> pending = read_row(db_, proof.id);
    if (!pending || pending->state != InstallationState::pending) return {};
    HeldPosts held(db_, writer_.hand());
    const std::optional<InstallationId> earlier = db_.maybe_number(
        sql::installation_of_client, pending->member_id, proof.client_id, proof.id);
    Posts posts = held.posts_of(proof.id);
    if (earlier && !pending->application_token.empty()) {  // it had none, and theirs were held
        const Posts older = held.posts_of(*earlier, pending->application_token);
        posts.insert(posts.end(), older.begin(), older.end());
        std::ranges::sort(posts, {}, &HeldPosts::Held::id);
    }
    if (!fit(posts, queue_limit)) return {Activation::Result::queue_full, proof.id, 0};
    const InstallationId heir = earlier.value_or(proof.id);
    take_over(proof, *pending, heir);
    held.keep_tokens(heir, proof.tokens);
    const std::size_t made =
        make_events(held, posts, {heir, pending->member_id, lower(proof.domain)});
    if (earlier) held.erase(proof.id);
    db_.run(sql::chores_remove, proof.id);
    db_.run(sql::renewal_set, heir, wall_now() + idle_renewal);
    db_.run(sql::chore_finish, heir, number_of(Chore::bind), wall_now(), wall_now());
    held.note_erased();
    transaction.commit();
    return {Activation::Result::done, heir, made};
}

bool Keeper::keep_unclaimed(const Proof& proof) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> pending = read_row(db_, proof.id);
    if (!pending || pending->state != InstallationState::pending) return false;
    if (db_.number(sql::unclaimed_count) >= hold_limits.unclaimed) return false;
    db_.run(sql::installation_keep, proof.id, proof.client_id, lower(proof.domain), proof.user_id,
            proof.client_endpoint, proof.server, proof.scope, proof.plan_status);
    db_.run(sql::chores_remove, proof.id);
    transaction.commit();
    return true;
}

void Keeper::erase(InstallationId id) {
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_, writer_.hand());
    held.erase(id);
    held.note_erased();
    transaction.commit();
}

std::vector<HeldPost> Keeper::held_posts(InstallationId id) {
    const Transaction moment(db_, Transaction::Kind::read);
    const std::optional<Row> row = read_row(db_, id);
    if (!row || row->state == InstallationState::pending) return {};
    std::vector<HeldPost> posts;
    Rows rows = db_.rows(sql::held_proofs, id);
    while (rows.next()) {
        using out = sql::held_proof;
        try {
            const auto packed =
                secrets_in(db_, rows.number(out::slot), held_owner(rows.number(out::id)));
            if (packed) posts.push_back({rows.text(out::token), unpack_post(*packed)});
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

Activation Keeper::adopt_token(InstallationId id, const std::string& token,
                               std::int64_t queue_limit) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> row = read_row(db_, id);
    HeldPosts held(db_, writer_.hand());
    const Posts posts = held.posts_of(id, token);
    if (!fit(posts, queue_limit)) return {Activation::Result::queue_full, id, 0};
    if (!row || db_.run(sql::token_adopt, id, Blob{token}) == 0) return {};
    const std::size_t made = make_events(held, posts, {id, row->member_id, row->domain});
    db_.run(sql::chore_remove, id, number_of(Chore::adopt));
    held.note_erased();
    transaction.commit();
    return {Activation::Result::done, id, made};
}

// -- Tokens

std::optional<Lease> Keeper::take_lease(InstallationId id, const std::string& holder,
                                        Millis lasting) {
    Fd room = keep_room(directory_of(db_.path()));
    Transaction transaction(db_, Transaction::Kind::write);
    const Millis now = boot_now();  // whatever becomes of the wall clock
    Lease lease;
    {
        Rows rows = db_.rows(sql::lease, id);
        using row = sql::lease_row;
        if (!rows.next()) return std::nullopt;
        const auto state = static_cast<InstallationState>(rows.number(row::state));
        const Millis until = rows.maybe_number(row::lease_until).value_or(0);
        // One that reaches further than any lease lasts is from before the machine's boot.
        const bool is_held = until > now && until <= now + lasting;
        if (is_held || state == InstallationState::gone) return std::nullopt;
        lease.in_doubt = !rows.is_null(row::lease_by);
        lease.tokens.expires_at = rows.maybe_number(row::token_expires_at).value_or(0);
    }
    const Millis expires_at = lease.tokens.expires_at;
    lease.tokens = HeldPosts(db_, writer_.hand()).tokens_of(id);
    lease.tokens.expires_at = expires_at;
    db_.run(sql::lease_set, id, now + lasting, holder);
    transaction.commit();
    room_ = std::move(room);
    return lease;
}

// An empty refresh token leaves the old one.
bool Keeper::renew(HeldPosts& held, InstallationId id, const Renewal& renewal, Millis now) {
    Tokens tokens = renewal.tokens;
    if (tokens.refresh.empty()) tokens.refresh = held.tokens_of(id).refresh;
    held.keep_tokens(id, tokens);
    if (db_.run(sql::installation_renewed, id, tokens.expires_at,
                text_or_null(renewal.client_endpoint), text_or_null(lower(renewal.domain)),
                text_or_null(renewal.scope), renewal.user_id, now) == 0) {
        return false;
    }
    db_.run(sql::renewal_set, id, now + idle_renewal);
    return true;
}

bool Keeper::end_lease(InstallationId id, const std::string& holder,
                       const std::optional<Renewal>& renewal, Millis now) {
    room_.reset();
    Transaction transaction(db_, Transaction::Kind::write);
    {
        Rows rows = db_.rows(sql::lease, id);
        if (!rows.next() || rows.text(sql::lease_row::lease_by) != holder) return false;
    }
    HeldPosts held(db_, writer_.hand());
    if (renewal && !renew(held, id, *renewal, now)) return false;
    db_.run(sql::lease_set, id, nullptr, nullptr);
    held.note_erased();
    transaction.commit();
    return true;
}

void Keeper::break_down(InstallationId id, const std::string& problem) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::installation_break, id, problem);
    db_.run(sql::chore_remove, id, number_of(Chore::renew));
    transaction.commit();
}

// -- The end

bool Keeper::uninstalled(InstallationId id, std::string_view ts) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> row = read_row(db_, id);
    if (!row || row->state == InstallationState::gone) return false;
    const std::optional<std::int64_t> sent = parse_number(ts);
    if (sent && row->installed_ts && *sent < *row->installed_ts) return false;
    HeldPosts held(db_, writer_.hand());
    for (const HeldPosts::Held& post : held.posts_of(id)) held.remove(post);
    held.erase_tokens(id);
    db_.run(sql::chores_remove, id);
    db_.run(sql::bindings_remove, id);
    db_.run(sql::installation_gone, id, wall_now());
    held.note_erased();
    transaction.commit();
    return true;
}

std::size_t Keeper::drop_old(Millis pending_before, Millis gone_before) {
    std::vector<InstallationId> old;
    {
        Rows rows =
            db_.rows(sql::installations_old, pending_before, gone_before, dropped_at_most);
        while (rows.next()) old.push_back(rows.number(0));
    }
    if (old.empty()) return 0;
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_, writer_.hand());
    for (const InstallationId id : old) {
        const std::optional<Row> row = read_row(db_, id);  // it may have become active meanwhile
        if (!row || (row->state != InstallationState::pending &&
                     row->state != InstallationState::gone)) {
            continue;
        }
        held.erase(id);
    }
    held.note_erased();
    transaction.commit();
    return old.size();
}

// -- Shown

std::vector<Installation> Keeper::list(std::string_view name) {
    std::vector<Installation> all;
    const auto read = [&all](Rows rows) {
        while (rows.next()) all.push_back(read_installation(rows));
    };
    if (name.empty()) read(db_.rows(sql::installations));
    else read(db_.rows(sql::installations_named, name, lower(name)));
    return all;
}

InstallationCounts Keeper::counts() {
    const Transaction moment(db_, Transaction::Kind::read);
    InstallationCounts counts;
    {
        Rows rows = db_.rows(sql::installation_states);
        using row = sql::state_row;
        while (rows.next()) {
            const auto state = static_cast<InstallationState>(rows.number(row::state));
            counts.of(state) = rows.number(row::number);
        }
    }
    counts.held = db_.number(sql::held_count);
    return counts;
}

}  // namespace

std::unique_ptr<Installations> make_installations(Names& names) {
    return std::make_unique<Keeper>(names);
}

}  // namespace bx::sqlite
