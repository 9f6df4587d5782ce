#include "sqlite/held_posts.h"

#include "base/text.h"
#include "sqlite/chores.h"
#include "sqlite/statements.h"
#include "store/errors.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

Bound blob_or_null(std::string_view bytes) {
    if (bytes.empty()) return nullptr;
    return Blob{bytes};
}

Bound text_or_null(std::string_view text) {
    if (text.empty()) return nullptr;
    return text;
}

Bound moment_or_null(Millis moment) {
    if (moment == 0) return nullptr;
    return moment;
}

std::int64_t bytes_of(const NewHeldPost& post) {
    return static_cast<std::int64_t>(post.event.body.size() + post.event.secrets.size());
}

}  // namespace

// Whatever the gateway has found before: it may have changed.  What only brings an installation,
// with the token of a verified one, is verified beside that; a page beside one that is broken too.
HeldPosts::Place HeldPosts::place_of(const NewHeldPost& post) {
    const bool brings = post.kind != HeldKind::post;
    const bool only_brings = brings && post.event.body.empty();
    Place place;
    Rows rows = db_.rows(sql::known_of_member, post.event.facts.member_id);
    using row = sql::known_row;
    while (rows.next()) {
        const InstallationId id = rows.number(row::id);
        const auto state = static_cast<InstallationState>(rows.number(row::state));
        const bool same = rows.view(row::application_token) == post.token ||
                          has_digest(rows.view(row::application_token_before), post.token) ||
                          rows.view(row::page_key) == post.token;
        if (state != InstallationState::pending) {
            if (only_brings || (brings && state == InstallationState::broken)) continue;
            if (same) return {Place::Kind::proven, id};
            if (rows.is_null(row::application_token) && place.kind == Place::Kind::nowhere) {
                place = {Place::Kind::tokenless, id};
            }
        } else if (same) {
            const bool unclaimed = !rows.view(row::client_id).empty();
            place = {unclaimed ? Place::Kind::unclaimed : Place::Kind::pending, id};
        }
    }
    return place;
}

HoldResult HeldPosts::hold(const NewHeldPost& post) {
    const Place place = place_of(post);
    const bool brings = post.kind != HeldKind::post;
    switch (place.kind) {
        case Place::Kind::proven: return HoldResult::changed;
        case Place::Kind::nowhere: return brings ? bring(post) : HoldResult::changed;
        case Place::Kind::tokenless: return brings ? bring(post) : add_counted(place, post);
        case Place::Kind::unclaimed:
        case Place::Kind::pending: break;
    }
    const bool is_page = brings && post.kind != HeldKind::install;
    if (brings && is_fresher(place.id, post)) refresh(place.id, post);
    if (is_page || post.event.body.empty()) return HoldResult::held;
    return add_counted(place, post);
}

HoldResult HeldPosts::bring(const NewHeldPost& post) {
    const auto& [facts, test, at, body, secrets, installation] = post.event;
    if (const auto full = make_room(post.peer)) return *full;
    const bool by_key = post.kind == HeldKind::page_key;
    db_.run(sql::installation_bring, facts.member_id, lower(facts.domain), facts.user_id,
            blob_or_null(by_key ? std::string_view() : post.token),
            blob_or_null(by_key ? post.token : std::string_view()),
            moment_or_null(post.tokens.expires_at), post.server, post.peer, at,
            ts_number(facts.ts));
    const InstallationId id = db_.last_inserted();
    keep_tokens(id, post.tokens);
    db_.run(sql::chore_begin, id, number_of(Chore::verify), at);
    if (!post.event.body.empty()) add(id, post, false);
    return HoldResult::held;
}

// An ONAPPINSTALL from before the one whose tokens are renewed already comes late; a page may be of
// any user, and is taken where what is there was of no use.
bool HeldPosts::is_fresher(InstallationId id, const NewHeldPost& post) {
    if (post.kind != HeldKind::install) return db_.number(sql::page_in_vain, id) != 0;
    return db_.number(sql::renewed_since, id, ts_number(post.event.facts.ts)) == 0;
}

// Its own post, again: the tokens that came before may have run out.
void HeldPosts::refresh(InstallationId id, const NewHeldPost& post) {
    const auto& [facts, test, at, body, secrets, installation] = post.event;
    const std::string domain = lower(facts.domain);
    db_.run(sql::installation_refresh, id, text_or_null(domain), text_or_null(facts.user_id),
            moment_or_null(post.tokens.expires_at), post.server, at, ts_number(facts.ts));
    bring_tokens(id, post.tokens);
    if (!want_again(db_, id, Chore::verify, at)) {
        db_.run(sql::chore_hasten, id, number_of(Chore::verify), at);
    }
}

// For one more of PEER that is not verified; or why there is none.
std::optional<HoldResult> HeldPosts::make_room(const std::string& peer) {
    if (db_.number(sql::unverified_count) < hold_limits.unverified) return std::nullopt;
    InstallationId newest = 0;
    {
        Rows rows = db_.rows(sql::unverified_peers);
        using row = sql::peer_row;
        if (!rows.next()) return HoldResult::full_of_unverified;
        newest = rows.number(row::newest);
        const bool is_own = rows.text(row::peer) == peer;
        if (is_own && !rows.next()) return HoldResult::full_of_unverified;
    }
    {
        Rows rows = db_.rows(sql::pending_name, newest);
        using row = sql::name_row;
        if (rows.next()) replaced_.push_back({rows.text(row::portal), rows.text(row::peer)});
    }
    erase(newest);
    return std::nullopt;
}

HoldResult HeldPosts::add_counted(const Place& place, const NewHeldPost& post) {
    const std::int64_t bytes = bytes_of(post);
    const bool is_full = db_.number(sql::held_of, place.id) >= hold_limits.of_installation;
    const bool is_tokenless = place.kind == Place::Kind::tokenless;
    std::optional<Held> oldest;
    if (is_full && is_tokenless) oldest = oldest_beside(place.id, post.token);
    if (is_full && !oldest) return HoldResult::full_of_installation;
    if (sum().posts >= hold_limits.posts || sum().bytes + bytes > hold_limits.bytes) {
        return HoldResult::full;
    }
    if (place.kind == Place::Kind::unclaimed) {
        Rows rows = db_.rows(sql::held_unclaimed);
        using row = sql::held_sum;
        rows.next();
        if (rows.number(row::number) >= hold_limits.posts / 2 ||
            rows.number(row::bytes) + bytes > hold_limits.bytes / 2) {
            return HoldResult::full_of_unclaimed;
        }
    }
    if (oldest) remove(*oldest);
    add(place.id, post, true);
    const Millis at = post.event.received_at;
    if (is_tokenless && !want_again(db_, place.id, Chore::adopt, at)) {
        db_.run(sql::chore_begin, place.id, number_of(Chore::adopt), at);
    }
    return HoldResult::held;
}

// Of one without application_token: no post of it is proven, and a new one with another token than
// theirs may be the right one.
std::optional<HeldPosts::Held> HeldPosts::oldest_beside(InstallationId id,
                                                        const std::string& token) {
    Rows rows = db_.rows(sql::held_oldest, id, Blob{token});
    if (!rows.next()) return std::nullopt;
    return Held{rows.number(sql::held_row::id), rows.number(sql::held_row::slot), {}};
}

void HeldPosts::add(InstallationId id, const NewHeldPost& post, bool counted) {
    const std::int64_t bytes = bytes_of(post);
    db_.run(sql::held_add, id, post.event.received_at, bytes, counted, Blob{post.token});
    const std::int64_t number = db_.last_inserted();
    const std::int64_t slot = keep_pieces(db_, held_owner(number), pack_post(post.event));
    db_.run(sql::held_slot_set, number, slot);
    if (counted && sum_) sum_ = {sum_->posts + 1, sum_->bytes + bytes};
}

// Counted once in a transaction, however many posts it has.
const HeldPosts::Sum& HeldPosts::sum() {
    if (!sum_) {
        Rows rows = db_.rows(sql::held_all);
        rows.next();
        sum_ = {rows.number(sql::held_sum::number), rows.number(sql::held_sum::bytes)};
    }
    return *sum_;
}

std::vector<HeldPosts::Held> HeldPosts::posts_of(InstallationId id, const std::string& token) {
    std::vector<Held> posts;
    {
        Rows rows = db_.rows(sql::held_posts, id, blob_or_null(token));
        using row = sql::held_row;
        while (rows.next()) posts.push_back({rows.number(row::id), rows.number(row::slot), {}});
    }
    for (Held& post : posts) {
        try {
            const auto packed = pieces_in(db_, post.slot, held_owner(post.id));
            if (packed) post.event = unpack_post(*packed);
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

std::size_t HeldPosts::drop_old(Millis before, std::int64_t at_most) {
    std::vector<Held> old;
    {
        Rows rows = db_.rows(sql::held_old, before, at_most);
        using row = sql::old_row;
        while (rows.next()) old.push_back({rows.number(row::id), rows.number(row::slot), {}});
    }
    for (const Held& post : old) remove(post);
    return old.size();
}

void HeldPosts::remove(const Held& post) {
    if (erase_pieces(db_, post.slot, held_owner(post.id))) ++erased_;
    db_.run(sql::held_remove, post.id);
    sum_.reset();
}

void HeldPosts::keep_tokens(InstallationId id, const Tokens& tokens) {
    const auto before = db_.maybe_number(sql::installation_slot, id);
    const std::int64_t slot = replace_tokens(db_, before, token_owner(id), pack_tokens(tokens));
    if (before) ++erased_;
    if (slot != before) db_.run(sql::installation_slot_set, id, slot);
}

void HeldPosts::bring_tokens(InstallationId id, const Tokens& tokens) {
    if (has_tokens(id, tokens)) return;
    db_.run(sql::lease_drop, id);
    keep_tokens(id, tokens);
}

Tokens HeldPosts::tokens_of(InstallationId id) {
    const auto slot = db_.maybe_number(sql::installation_slot, id);
    if (!slot) return {};
    try {
        const auto packed = secrets_in(db_, *slot, token_owner(id));
        return packed ? unpack_tokens(*packed) : Tokens();
    } catch (const StoreDamaged&) {
        return {};
    }
}

bool HeldPosts::has_tokens(InstallationId id, const Tokens& tokens) {
    const Tokens there = tokens_of(id);
    return there.access == tokens.access && there.refresh == tokens.refresh;
}

void HeldPosts::erase_tokens(InstallationId id) {
    const auto slot = db_.maybe_number(sql::installation_slot, id);
    if (slot && erase_secrets(db_, *slot, token_owner(id))) ++erased_;
}

void HeldPosts::erase(InstallationId id) {
    for (const Held& post : posts_of(id)) remove(post);
    erase_tokens(id);
    db_.run(sql::chores_remove, id);
    db_.run(sql::bindings_remove, id);
    db_.run(sql::installation_remove, id);
}

void HeldPosts::note_erased() {
    if (erased_ > 0) db_.run(sql::world_add, 0, 0, 0, 0, 0, erased_);
    erased_ = 0;
}

}  // namespace bx::sqlite
