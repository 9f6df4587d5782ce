// The gateway's part of the SQLite store.
#include <algorithm>

#include "sqlite/chores.h"
#include "sqlite/event_writer.h"
#include "sqlite/held_posts.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

class Sink final : public EventSink {
public:
    explicit Sink(Names& names) : db_(names.database()), writer_(names) {}

    AddedBatch add(const NewBatch& batch, std::int64_t queue_limit) override;
    std::vector<KnownInstallation> look_up(std::span<const std::string> member_ids,
                                           std::span<const std::string> domains) override;
    bool has_installations() override { return db_.number(sql::installation_any) != 0; }
    void retire_tokens(std::span<const SeenToken> seen) override;
    void heal(std::span<const Offer> offers) override;
    std::int64_t probe() override;
    std::optional<Millis> next_chore() override { return sqlite::next_chore(db_); }
    std::int64_t unfinished() override { return last_event(db_).unfinished(); }

private:
    Database& db_;
    EventWriter writer_;
};

AddedBatch Sink::add(const NewBatch& batch, std::int64_t queue_limit) {
    AddedBatch added;
    added.numbers.reserve(batch.events.size());
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_);
    for (const NewHeldPost& post : batch.held) added.held.push_back(held.hold(post));
    LastEvent last = last_event(db_);
    const EventNumber before = last.number;
    for (const NewEvent& event : batch.events) {
        if (last.unfinished() >= queue_limit) {
            added.numbers.push_back(std::nullopt);
            continue;
        }
        writer_.insert(event, last);
        added.numbers.push_back(last.number);
    }
    if (last.number > before || std::ranges::count(added.held, HoldResult::held) > 0) {
        added.replaced = held.replaced();
        held.note_erased();
        transaction.commit();
    }
    return added;
}

KnownInstallation read_known(const Rows& rows) {
    using row = sql::known_row;
    const auto state = static_cast<InstallationState>(rows.number(row::state));
    const bool broken = state == InstallationState::broken;
    return {.id = rows.number(row::id),
            .member_id = rows.text(row::member_id),
            .client_id = rows.text(row::client_id),
            .domain = rows.text(row::domain),
            .user_id = rows.text(row::user_id),
            .token = rows.text(row::application_token),
            .token_before = rows.text(row::application_token_before),
            .page_key = rows.text(row::page_key),
            .verified = state != InstallationState::pending,  // a gone one was moved
            .broken = broken};
}

// Of one moment.
std::vector<KnownInstallation> Sink::look_up(std::span<const std::string> member_ids,
                                             std::span<const std::string> domains) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<KnownInstallation> known;
    const auto read = [&](Rows rows) {
        while (rows.next()) known.push_back(read_known(rows));
    };
    for (const std::string& member_id : member_ids) read(db_.rows(sql::known_of_member, member_id));
    for (const std::string& domain : domains) read(db_.rows(sql::known_of_domain, domain));
    sort_known(known);
    return known;
}

void Sink::retire_tokens(std::span<const SeenToken> seen) {
    Transaction transaction(db_, Transaction::Kind::write);
    for (const SeenToken& one : seen) db_.run(sql::token_retire, one.id, Blob{one.token});
    transaction.commit();
}

void Sink::heal(std::span<const Offer> offers) {
    Transaction transaction(db_, Transaction::Kind::write);
    HeldPosts held(db_);
    bool any = false;
    for (const Offer& offer : offers) {
        const Tokens& tokens = offer.tokens;
        Bound expires_at = nullptr;
        if (tokens.expires_at != 0) expires_at = tokens.expires_at;
        if (db_.run(sql::installation_heal, offer.id, offer.user_id, expires_at, wall_now()) == 0) {
            continue;
        }
        held.bring_tokens(offer.id, tokens);
        db_.run(sql::renewal_set, offer.id, wall_now() + idle_renewal);
        any = true;
    }
    if (!any) return;
    held.note_erased();
    transaction.commit();
}

std::int64_t Sink::probe() {
    const Transaction undone(db_, Transaction::Kind::write);
    LastEvent last = last_event(db_);
    const std::int64_t unfinished = last.unfinished();
    NewEvent event;
    event.body = event.secrets = "probe";
    writer_.insert(event, last);
    db_.flush();  // a full disk shows only when something reaches it
    return unfinished;
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Names& names) {
    return std::make_unique<Sink>(names);
}

}  // namespace bx::sqlite
