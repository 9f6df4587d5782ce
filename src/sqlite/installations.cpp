// Installations of the SQLite store.
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"
#include "sqlite/chores.h"
#include "sqlite/event_writer.h"
#include "sqlite/held_posts.h"
#include "sqlite/installation_row.h"
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
    Installation shown = installation_in<row>(rows);
    shown.has_application_token = rows.number(row::known) != 0;
    shown.was_leased = rows.number(row::leased) != 0;
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
    std::string client_id;  // empty: not known
    std::string domain;
    std::string application_token;
    std::string before;  // application_token_before
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
    read.client_id = rows.text(row::client_id);
    read.domain = rows.text(row::domain);
    read.application_token = rows.text(row::application_token);
    read.before = rows.text(row::application_token_before);
    read.installed_at = rows.number(row::installed_at);
    read.installed_ts = rows.maybe_number(row::installed_ts);
    read.state = static_cast<InstallationState>(rows.number(row::state));
    return read;
}

// application_tokens that are right, the newest first.
class TokenDigests {
public:
    void add(const Row& row) {
        add(row.application_token);
        add(row.before);
    }
    std::string_view now() const { return std::string_view(all_).substr(0, sha256_size); }
    std::string_view before() const {
        return all_.empty() ? std::string_view()
                            : std::string_view(all_).substr(sha256_size,
                                                            tokens_before * sha256_size);
    }

private:
    void add(std::string_view digests) {
        for (std::size_t at = 0; at < digests.size(); at += sha256_size) {
            const std::string_view one = digests.substr(at, sha256_size);
            if (!has_digest(all_, one)) all_ += one;
        }
    }

    std::string all_;
};

Bound blob_or_null(std::string_view bytes) {
    if (bytes.empty()) return nullptr;
    return Blob{bytes};
}

Bound moment_or_null(Millis moment) {
    if (moment == 0) return nullptr;
    return moment;
}

void remove_all(HeldPosts& held, const std::vector<HeldPosts::Held>& posts) {
    for (const HeldPosts::Held& post : posts) held.remove(post);
}

class Keeper final : public Installations {
public:
    explicit Keeper(Names& names) : db_(names.database()), writer_(names) {}

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
    using Posts = std::vector<HeldPosts::Held>;

    std::size_t make_events(HeldPosts& held, const Posts& posts, const PostOwner& owner);
    std::vector<InstallationId> unclaimed_beside(const Row& pending, const Proof& proof);
    Posts posts_for(HeldPosts& held, InstallationId id, const Row& pending,
                    std::optional<InstallationId> earlier,
                    const std::vector<InstallationId>& others);
    std::optional<TokenDigests> join_unclaimed(HeldPosts& held, InstallationId id,
                                               const Row& pending,
                                               const std::vector<InstallationId>& others);
    void take_over(const Proof& proof, const Row& pending, InstallationId heir,
                   const TokenDigests& digests);
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
    found.tokens = HeldPosts(db_).tokens_of(id);
    found.tokens.expires_at = found.installation.token_expires_at.value_or(0);
    return found;
}

// -- Verifying

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

std::vector<InstallationId> Keeper::unclaimed_beside(const Row& pending, const Proof& proof) {
    std::vector<InstallationId> found;
    Rows rows = db_.rows(sql::unclaimed_beside, pending.member_id, proof.client_id, proof.id);
    while (rows.next()) found.push_back(rows.number(0));
    return found;
}

void Keeper::take_over(const Proof& proof, const Row& pending, InstallationId heir,
                       const TokenDigests& digests) {
    db_.run(sql::installation_activate, heir, proof.client_id, lower(proof.domain), proof.user_id,
            blob_or_null(digests.now()), blob_or_null(digests.before()),
            moment_or_null(proof.tokens.expires_at), proof.client_endpoint, proof.server,
            proof.scope, proof.plan_status, pending.installed_at, pending.installed_ts, wall_now());
}

// Posts of its own, of OTHERS that wait for its block, and those that were held for EARLIER, which
// did not know their token.
Keeper::Posts Keeper::posts_for(HeldPosts& held, InstallationId id, const Row& pending,
                                std::optional<InstallationId> earlier,
                                const std::vector<InstallationId>& others) {
    Posts posts = held.posts_of(id);
    const auto add = [&posts](const Posts& more) {
        posts.insert(posts.end(), more.begin(), more.end());
    };
    if (earlier && !pending.application_token.empty()) {
        add(held.posts_of(*earlier, pending.application_token));
    }
    for (const InstallationId other : others) add(held.posts_of(other));
    std::ranges::sort(posts, {}, &HeldPosts::Held::id);
    return posts;
}

Activation Keeper::activate(const Proof& proof) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> pending = read_row(db_, proof.id);
    if (!pending || pending->state != InstallationState::pending) return {};
    HeldPosts held(db_);
    if (!held.has_tokens(proof.id, proof.tokens)) {
        return {Activation::Result::changed, proof.id, 0};
    }
    const std::optional<InstallationId> earlier =
        db_.maybe_number(sql::installation_of_client, pending->member_id, proof.client_id);
    const std::vector<InstallationId> others = unclaimed_beside(*pending, proof);
    const Posts posts = posts_for(held, proof.id, *pending, earlier, others);
    TokenDigests digests;
    digests.add(*pending);
    for (const InstallationId other : others) digests.add(*read_row(db_, other));
    if (earlier) digests.add(*read_row(db_, *earlier));  // of one that is gone: none
    const InstallationId heir = earlier.value_or(proof.id);
    take_over(proof, *pending, heir, digests);
    held.keep_tokens(heir, proof.tokens);
    const std::size_t made =
        make_events(held, posts, {heir, pending->member_id, lower(proof.domain)});
    if (!digests.now().empty()) remove_all(held, held.posts_of(heir));
    for (const InstallationId other : others) held.erase(other);
    if (earlier) held.erase(proof.id);
    db_.run(sql::chores_remove, proof.id);
    db_.run(sql::renewal_set, heir, wall_now() + idle_renewal);
    if (!want_again(db_, heir, Chore::bind, wall_now())) {
        db_.run(sql::chore_set, heir, number_of(Chore::bind), wall_now(), wall_now());
    }
    held.note_erased();
    transaction.commit();
    return {Activation::Result::done, heir, made};
}

// PENDING takes over what OTHERS have, which wait for the same block.  None: theirs is worth more.
std::optional<TokenDigests> Keeper::join_unclaimed(HeldPosts& held, InstallationId id,
                                                   const Row& pending,
                                                   const std::vector<InstallationId>& others) {
    TokenDigests digests;
    digests.add(pending);
    const bool by_page = pending.application_token.empty();
    for (const InstallationId other : others) {
        const Row row = *read_row(db_, other);
        if (by_page && !row.application_token.empty()) return std::nullopt;
        digests.add(row);
        if (by_page) remove_all(held, held.posts_of(id));  // theirs had the same page
        db_.run(sql::held_move, id, id, 1);
        db_.run(sql::held_move, other, id, 0);
        held.erase(other);
    }
    return digests;
}

Keeping Keeper::keep_unclaimed(const Proof& proof) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> pending = read_row(db_, proof.id);
    HeldPosts held(db_);
    const bool is_pending = pending && pending->state == InstallationState::pending;
    if (!is_pending || !held.has_tokens(proof.id, proof.tokens)) return Keeping::changed;
    const std::vector<InstallationId> others = unclaimed_beside(*pending, proof);
    if (others.empty() && db_.number(sql::unclaimed_count) >= hold_limits.unclaimed) {
        return Keeping::too_many;
    }
    const auto is_to_be_told = [this](InstallationId id) {
        return db_.number(sql::chore_is_there, id, number_of(Chore::tell)) != 0;
    };
    const bool is_first = others.empty() && pending->client_id != proof.client_id;
    const bool tell =
        is_first || is_to_be_told(proof.id) || std::ranges::any_of(others, is_to_be_told);
    db_.run(sql::chores_remove, proof.id);
    if (const auto digests = join_unclaimed(held, proof.id, *pending, others)) {
        db_.run(sql::installation_keep, proof.id, proof.client_id, blob_or_null(digests->now()),
                blob_or_null(digests->before()), lower(proof.domain), proof.user_id,
                proof.client_endpoint, proof.server, proof.scope, proof.plan_status);
        if (tell) db_.run(sql::chore_begin, proof.id, number_of(Chore::tell), wall_now());
    } else {
        held.erase(proof.id);  // the other stays, with what is to be told of it
    }
    held.note_erased();
    transaction.commit();
    return Keeping::kept;
}

void Keeper::erase(InstallationId id) {
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_);
    held.erase(id);
    held.note_erased();
    transaction.commit();
}

bool Keeper::refuse(const InstallationWithTokens& seen) {
    Transaction transaction(db_, Transaction::Kind::write);
    const Installation& one = seen.installation;
    HeldPosts held(db_);
    if (db_.number(sql::pending_as_seen, one.id, one.user_id, one.server) == 0) return false;
    if (!held.has_tokens(one.id, seen.tokens)) return false;
    held.erase(one.id);
    held.note_erased();
    transaction.commit();
    return true;
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
                pieces_in(db_, rows.number(out::slot), held_owner(rows.number(out::id)));
            if (packed) {
                posts.push_back(
                    {rows.number(out::id), rows.text(out::token), unpack_post(*packed)});
            }
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

Activation Keeper::adopt_token(InstallationId id, const std::string& token) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> row = read_row(db_, id);
    if (!row || db_.run(sql::token_adopt, id, Blob{token}) == 0) return {};
    HeldPosts held(db_);
    const Posts posts = held.posts_of(id, token);
    const std::size_t made = make_events(held, posts, {id, row->member_id, row->domain});
    db_.run(sql::chore_remove, id, number_of(Chore::adopt));
    remove_all(held, held.posts_of(id));
    held.note_erased();
    transaction.commit();
    return {Activation::Result::done, id, made};
}

std::size_t Keeper::refuse_token(InstallationId id, const HeldPost& judged) {
    Transaction transaction(db_, Transaction::Kind::write);
    if (db_.number(sql::is_tokenless, id) == 0) return 0;
    HeldPosts held(db_);
    Posts posts = held.posts_of(id, judged.token);
    std::erase_if(posts, [&](const HeldPosts::Held& post) { return post.id > judged.id; });
    remove_all(held, posts);
    held.note_erased();
    transaction.commit();
    return posts.size();
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
        lease.in_doubt = !rows.is_null(row::lease_until);
        lease.tokens.expires_at = rows.maybe_number(row::token_expires_at).value_or(0);
    }
    const Millis expires_at = lease.tokens.expires_at;
    lease.tokens = HeldPosts(db_).tokens_of(id);
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
    if (db_.run(sql::installation_renewed, id, moment_or_null(tokens.expires_at),
                text_or_null(renewal.client_endpoint), text_or_null(lower(renewal.domain)),
                text_or_null(renewal.scope), renewal.user_id, text_or_null(renewal.server),
                now) == 0) {
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
        if (rows.is_null(sql::lease_row::lease_until)) return true;  // done before
    }
    HeldPosts held(db_);
    if (renewal && !renew(held, id, *renewal, now)) return false;
    db_.run(sql::lease_end, id);
    held.note_erased();
    transaction.commit();
    return true;
}

void Keeper::note_refused(InstallationId id, const std::string& holder,
                          const std::string& problem, std::optional<Millis> again_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    if (again_at) {
        db_.run(sql::renewal_postpone, id, holder, problem, *again_at);
    } else if (db_.run(sql::installation_break, id, holder, problem) > 0) {
        db_.run(sql::chore_remove, id, number_of(Chore::renew));
        const bool broke = read_row(db_, id)->state == InstallationState::broken;
        if (broke) db_.run(sql::chore_begin, id, number_of(Chore::tell), wall_now());
    }
    transaction.commit();
}

// -- The end

bool Keeper::uninstalled(InstallationId id, std::string_view ts, Millis received_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    const std::optional<Row> row = read_row(db_, id);
    if (!row || row->state == InstallationState::gone) return false;
    const std::optional<std::int64_t> sent = parse_number(ts);
    const bool both = sent && row->installed_ts;
    if (both ? *sent < *row->installed_ts : received_at < row->installed_at) return false;
    HeldPosts held(db_);
    remove_all(held, held.posts_of(id));
    held.erase_tokens(id);
    db_.run(sql::chores_remove, id);
    db_.run(sql::bindings_remove, id);
    db_.run(sql::installation_gone, id, wall_now());
    held.note_erased();
    transaction.commit();
    return true;
}

std::size_t Keeper::drop_old(Millis pending_before, Millis gone_before) {
    const auto find = [&] {
        std::vector<InstallationId> old;
        Rows rows =
            db_.rows(sql::installations_old, pending_before, gone_before, dropped_at_most);
        while (rows.next()) old.push_back(rows.number(0));
        return old;
    };
    const auto any_posts = [&] {
        return db_.rows(sql::held_old, pending_before, 1).next();
    };
    if (find().empty() && !any_posts()) return 0;  // without the right to write
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_);
    const std::vector<InstallationId> old = find();  // what was refreshed meanwhile is young
    for (const InstallationId id : old) held.erase(id);
    const std::size_t posts = held.drop_old(pending_before, dropped_at_most);
    held.note_erased();
    transaction.commit();
    return old.size() + posts;
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
