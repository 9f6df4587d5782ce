#include "sqlite/moved.h"

#include <map>

#include "sqlite/bindings.h"
#include "sqlite/held_posts.h"
#include "sqlite/installation_row.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

MovedInstallation read_moved(const Rows& rows) {
    using row = sql::moved_installation;
    MovedInstallation moved;
    Installation& one = moved.installation;
    one = installation_in<row>(rows);
    moved.application_token = rows.text(row::application_token);
    moved.application_token_before = rows.text(row::application_token_before);
    moved.page_key = rows.text(row::page_key);
    moved.last_event_at = rows.maybe_number(row::last_event_at);
    moved.gone_at = rows.maybe_number(row::gone_at);
    moved.lease_until = rows.maybe_number(row::lease_until);
    moved.lease_by = rows.text(row::lease_by);
    moved.moved = rows.text(row::problem) == moved_problem;
    if (moved.moved) one.problem.clear();
    return moved;
}

struct PostRow {
    MovedPost post;
    std::int64_t slot = 0;
};

std::vector<PostRow> post_rows(Database& database, InstallationId id) {
    std::vector<PostRow> posts;
    Rows rows = database.rows(sql::moved_posts, id);
    using row = sql::moved_post;
    while (rows.next()) {
        PostRow& one = posts.emplace_back();
        one.slot = rows.number(row::slot);
        one.post.id = rows.number(row::id);
        one.post.received_at = rows.number(row::received_at);
        one.post.bytes = rows.number(row::bytes);
        one.post.counted = rows.number(row::counted) != 0;
        one.post.token = rows.text(row::token);
    }
    return posts;
}

// Those that cannot be read stay behind.
std::vector<MovedPost> read_posts(Database& database, InstallationId id) {
    std::vector<MovedPost> posts;
    for (PostRow& one : post_rows(database, id)) {
        try {
            const auto packed = pieces_in(database, one.slot, held_owner(one.post.id));
            if (!packed) continue;
            one.post.packed = *packed;
            posts.push_back(std::move(one.post));
        } catch (const StoreDamaged&) {
        }
    }
    return posts;
}

std::optional<Tokens> read_tokens(Database& database, const Installation& one) {
    HeldPosts held(database);
    try {
        Tokens tokens = held.tokens_of(one.id);
        if (tokens.access.empty() && tokens.refresh.empty()) return std::nullopt;
        tokens.expires_at = one.token_expires_at.value_or(0);
        return tokens;
    } catch (const StoreDamaged&) {
        return std::nullopt;
    }
}

void read_rest(Database& database, MovedInstallation& moved) {
    const InstallationId id = moved.installation.id;
    moved.tokens = read_tokens(database, moved.installation);
    moved.posts = read_posts(database, id);
    moved.bindings = bindings_of(database, id);
    Rows rows = database.rows(sql::moved_chores, id);
    using row = sql::moved_chore;
    while (rows.next()) {
        moved.chores.push_back({static_cast<int>(rows.number(row::what)), rows.number(row::due_at),
                                static_cast<int>(rows.number(row::tries))});
    }
}

Bound text_or_null(const std::string& text) {
    if (text.empty()) return nullptr;
    return text;
}

}  // namespace

std::vector<MovedInstallation> moved_installations(Names& names, InstallationId after,
                                                   std::size_t at_most) {
    Database& database = names.database();
    const Transaction moment(database, Transaction::Kind::read);
    std::vector<MovedInstallation> moved;
    {
        Rows rows = database.rows(sql::installations_after, after, at_most);
        while (rows.next()) moved.push_back(read_moved(rows));
    }
    for (MovedInstallation& one : moved) read_rest(database, one);
    return moved;
}

bool hand_over(Names& names, const MovedInstallation& installation) {
    Database& database = names.database();
    const Installation& one = installation.installation;
    const bool was_gone = one.state == InstallationState::gone && !installation.moved;
    if (was_gone) return true;
    Transaction transaction(database, Transaction::Kind::write);
    if (database.run(sql::installation_moved, one.id, static_cast<int>(one.state),
                     one.installed_at, one.renewed_at, text_or_null(installation.lease_by),
                     wall_now()) == 0) {
        return false;
    }
    HeldPosts held(database);
    held.erase_tokens(one.id);
    database.run(sql::installation_slot_set, one.id, nullptr);
    database.run(sql::chores_remove, one.id);
    database.run(sql::bindings_remove, one.id);
    std::map<std::int64_t, std::int64_t> slots;
    for (const PostRow& row : post_rows(database, one.id)) slots[row.post.id] = row.slot;
    for (const MovedPost& post : installation.posts) {
        const auto slot = slots.find(post.id);
        if (slot != slots.end()) held.remove({post.id, slot->second, {}});
    }
    held.note_erased();
    transaction.commit();
    return true;
}

}  // namespace bx::sqlite
