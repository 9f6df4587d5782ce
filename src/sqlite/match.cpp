// The matcher's part of the SQLite store.
#include <algorithm>
#include <set>

#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/match.h"
#include "sqlite/merge.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

constexpr Millis hooks_seen_kept = 30 * day;

class Matching final : public MatchQueue {
public:
    explicit Matching(Names& names) : names_(names), db_(names.database()) {}

    std::vector<StoredEvent> undispatched(std::size_t at_most, std::size_t bytes) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override {
        return merge_step(names_, verdicts, now);
    }
    std::string fingerprint(const std::string& host) override;
    void keep_fingerprint(const std::string& host, const std::string& fingerprint,
                          Millis now) override;
    EventNumber newest_retryable() override;
    Renewed renew_skipped(const RenewRange& range, std::size_t at_most) override;
    std::size_t forget_reasons(const std::vector<std::string>& stopped,
                               std::size_t at_most) override;

private:
    std::size_t add_unmatched(std::vector<StoredEvent>& events, std::size_t at_most,
                              std::size_t bytes);
    void add_new(std::vector<StoredEvent>& events, std::size_t at_most, std::size_t bytes);

    Names& names_;
    Database& db_;
};

std::vector<StoredEvent> Matching::undispatched(std::size_t at_most, std::size_t bytes) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<StoredEvent> events;
    const std::size_t read = add_unmatched(events, at_most, bytes);
    if (read < bytes) add_new(events, at_most - events.size(), bytes - read);
    return events;
}

// Those up to world.matched.  Gives how many bytes they have.
std::size_t Matching::add_unmatched(std::vector<StoredEvent>& events, std::size_t at_most,
                                    std::size_t bytes) {
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows(sql::unmatched_first, at_most);
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    std::size_t read = 0;
    for (const EventNumber number : numbers) {
        std::optional<StoredEvent> event = load_event(names_, number);
        if (!event) continue;
        read += event->payload_bytes();
        events.push_back(std::move(*event));
        if (read >= bytes) break;
    }
    return read;
}

// Those behind it.  Bodies are read until they alone come to BYTES, and their secrets after them.
void Matching::add_new(std::vector<StoredEvent>& events, std::size_t at_most, std::size_t bytes) {
    std::vector<std::optional<std::int64_t>> slots;
    const std::size_t before = events.size();
    std::size_t read = 0;
    {
        Rows rows = db_.rows(sql::new_after, read_world(db_).matched, at_most);
        using row = sql::whole_event;
        while (read < bytes && rows.next()) {
            StoredEvent& event = events.emplace_back();
            event.number = rows.number(row::n);
            read_facts(names_, rows, 0, event);
            read_body(rows, row::body, event);
            event.installation = rows.maybe_number(row::installation);
            slots.push_back(rows.maybe_number(row::slot));
            read += event.body.size();
        }
    }
    read = 0;
    for (std::size_t i = 0; i < slots.size() && read < bytes; ++i) {
        StoredEvent& event = events[before + i];
        load_secrets(db_, slots[i], event);
        read += event.payload_bytes();
        if (read >= bytes) events.resize(before + i + 1);
    }
}

void insert_delivery(Change& change, const Dispatch& verdict, const Identity& of,
                     const NewDelivery& delivery, Millis now) {
    Database& database = change.database();
    const HookId hook = change.names().hook(delivery.hook);
    Open open{.d = delivery_id(verdict.event, hook), .account = of.account};
    open.due_at = delivery.due_at;
    open.max_attempts = delivery.max_attempts;
    open.fellows = static_cast<std::int64_t>(verdict.deliveries.size());
    if (delivery.ordered) open.lane = change.names().lane(hook, of.account, of.facts);
    std::optional<DeliveryId> first;  // of those that are there
    if (open.lane) first = database.maybe_number(sql::lane_next, open.lane);
    std::vector<Open> older;
    if (first && delivery.coalesce) {
        const Merging merging{hook, open.lane, of.account, of.facts};
        older = mergeable(change.names(), merging, open.d);
        merge(change, older, open, now);
    }
    if (open.reason.empty()) open.reason = delivery.reason;
    change.add_open(open);
    change.counters().opened(hook);
    change.names().ready().add(hook);
    if (!first) {
        give_turn(database, open.waiting(), now);
    } else if (!older.empty() || *first > open.d) {
        settle_lane(database, open.lane, now);
    }
}

void dispatch_one(Change& change, const Dispatch& verdict, Millis now) {
    const std::optional<Identity> of = identity(change.names(), verdict.event);
    if (!of || !change.is_new(verdict.event)) return;  // cancelled meanwhile
    change.take_new(verdict.event);
    if (!verdict.refused.empty() || verdict.refused_more > 0) {
        const std::string list = pack_refusals(verdict.refused);
        change.database().run(sql::refusals_add, verdict.event, verdict.refused_more, Blob{list});
    }
    if (verdict.deliveries.empty()) {
        change.skip(verdict.event, verdict.skip_reason, verdict.retryable, now);
        return;
    }
    for (const NewDelivery& delivery : verdict.deliveries) {
        insert_delivery(change, verdict, *of, delivery, now);
    }
}

void Matching::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    Change change(names_);
    sqlite::dispatch(change, verdicts, now);
    change.commit();
}

std::string Matching::fingerprint(const std::string& host) {
    Rows rows = db_.rows(sql::fingerprint, host);
    return rows.next() ? rows.text(0) : std::string();
}

void Matching::keep_fingerprint(const std::string& host, const std::string& fingerprint,
                                Millis now) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::fingerprints_forget, now - hooks_seen_kept);
    db_.run(sql::fingerprint_keep, host, fingerprint, now);
    transaction.commit();
}

EventNumber Matching::newest_retryable() {
    return db_.maybe_number(sql::retryable_last).value_or(0);
}

Renewed Matching::renew_skipped(const RenewRange& range, std::size_t at_most) {
    Change change(names_);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows(sql::retryable, range.after, range.up_to, range.received_from, at_most);
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    if (numbers.empty()) return {.last = range.after};
    for (const EventNumber number : numbers) change.renew(number);
    change.commit();
    return {numbers.size(), numbers.back(), numbers.size() == at_most};
}

std::size_t Matching::forget_reasons(const std::vector<std::string>& stopped,
                                     std::size_t at_most) {
    std::set<HookId> still;
    for (const std::string& name : stopped) {
        if (const std::optional<HookId> hook = names_.known_hook(name)) still.insert(*hook);
    }
    Change change(names_);
    std::vector<DeliveryId> found;
    {
        Rows rows = db_.rows(sql::reasoned);
        while (found.size() < at_most && rows.next()) {
            const DeliveryId d = rows.number(0);
            if (!still.contains(hook_of(d))) found.push_back(d);
        }
    }
    if (found.empty()) return 0;
    for (const DeliveryId d : found) db_.run(sql::reason_forget, d);
    change.commit();
    return found.size();
}

}  // namespace

void dispatch(Change& change, std::span<const Dispatch> verdicts, Millis now) {
    for (const Dispatch& verdict : verdicts) dispatch_one(change, verdict, now);
    change.pass_skipped();
}

std::unique_ptr<MatchQueue> make_match_queue(Names& names) {
    return std::make_unique<Matching>(names);
}

}  // namespace bx::sqlite
