// What a person changes in the SQLite store.
#include <algorithm>

#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

struct Stored {
    DeliveryId d = 0;
    std::string hook;
    DeliveryState state = DeliveryState::waiting;
    std::optional<EventNumber> merged_into;
    std::optional<EventNumber> blocked_by{};
};

struct Requested {
    RequestFacts facts;
    std::vector<Stored> deliveries{};  // those of `facts`
};

// By hook.
std::vector<Stored> stored_deliveries(Names& names, const DeliveryName& name) {
    DeliveryId first = first_of(name.event);
    DeliveryId last = last_of(name.event);
    if (!name.hook.empty()) {
        const std::optional<HookId> hook = names.known_hook(name.hook);
        if (!hook) return {};
        first = last = delivery_id(name.event, *hook);
    }
    std::vector<Stored> found;
    {
        Rows rows = names.database().rows(sql::found, first, last);
        using row = sql::found_row;
        while (rows.next()) {
            found.push_back({rows.number(row::d), {},
                             static_cast<DeliveryState>(rows.number(row::state)),
                             rows.maybe_number(row::merged_into)});
        }
    }
    for (Stored& delivery : found) {
        delivery.hook = names.hook_name(hook_of(delivery.d));
        if (delivery.state != waiting) continue;
        const std::optional<Open> open = read_open(names.database(), delivery.d);
        if (open) delivery.blocked_by = blocker(names.database(), open->d, open->lane);
    }
    std::ranges::sort(found, {}, &Stored::hook);
    return found;
}

Requested requested(Names& names, const DeliveryName& name,
                    std::optional<RowState> chosen = std::nullopt) {
    Requested found{{.name = name, .chosen = chosen}};
    const std::optional<StoredEvent> event = load_event(names, name.event);
    if (!event) return found;
    found.facts.event = event->state;
    found.facts.retryable = event->retryable;
    found.facts.secrets_erased = event->secrets_erased;
    if (event->state == EventState::skipped) {
        const EventNumber matched = read_world(names.database()).matched;
        found.facts.unmatched_before = std::max(name.event - 1 - matched, EventNumber{0});
    }
    if (event->state == EventState::matched) found.deliveries = stored_deliveries(names, name);
    for (const Stored& delivery : found.deliveries) {
        found.facts.deliveries.push_back(
            {delivery.hook, delivery.state, delivery.merged_into, delivery.blocked_by});
    }
    return found;
}

class Operations final : public Operator {
public:
    explicit Operations(Names& names) : names_(names), db_(names.database()) {}

    Outcome retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                  Millis now, std::optional<RowState> chosen) override;
    Outcome deliver(EventNumber number, const NewDelivery& delivery, Millis now) override;
    Outcome cancel(const DeliveryName& name, bool kill, Millis now,
                   std::optional<RowState> chosen) override;

private:
    void retry_ended(Change& change, const Stored& delivery, int extra, Millis now);
    void make_due(DeliveryId d, Millis now);
    void resume(Change& change, Open& open, Millis now);
    void remove_refusal(EventNumber event, const std::string& hook);

    Names& names_;
    Database& db_;
};

// OPEN is put back at its place: the event is unfinished again, and has one more that is open.
void Operations::resume(Change& change, Open& open, Millis now) {
    const EventNumber event = event_of(open.d);
    const DeliveryId first = first_of(event);
    const DeliveryId last = last_of(event);
    const std::int64_t others = db_.number(sql::open_of_event, first, last);
    const std::int64_t ended = db_.number(sql::ended_of_event, first, last);
    if (others == 0) change.counters().finished(-1);
    open.fellows = others + ended + 1;
    if (others > 0) db_.run(sql::fellows_set, first, last, open.fellows);
    change.add_open(open);
    if (open.lane) {
        settle_lane(db_, open.lane, now);
    } else {
        give_turn(db_, open.waiting(), now);
    }
}

void Operations::retry_ended(Change& change, const Stored& delivery, int extra, Millis now) {
    const HookId hook = hook_of(delivery.d);
    Open open{.d = delivery.d, .due_at = now};
    bool laned = false;
    {
        Rows rows = db_.rows(sql::ended_again, delivery.d);
        if (!rows.next()) return;
        open.attempt = static_cast<int>(rows.number(sql::again_row::attempt));
        laned = rows.number(sql::again_row::laned) != 0;
    }
    open.max_attempts = open.attempt + extra;
    if (const std::optional<Identity> of = identity(names_, event_of(delivery.d))) {
        open.account = of->account;
        if (laned) open.lane = names_.lane(hook, of->account, of->facts);
    }
    db_.run(sql::run_keep, delivery.d);
    db_.run(sql::ended_remove, delivery.d);
    change.counters().resumed(hook, delivery.state);
    resume(change, open, now);
}

// One that waits.  Who has the turn in its lane keeps it.
void Operations::make_due(DeliveryId d, Millis now) {
    const std::optional<Open> open = read_open(db_, d);
    if (!open || open->due_at <= now) return;
    db_.run(sql::open_due, d, now);
    if (take_turn(db_, open->waiting())) give_turn(db_, {d, open->account, now}, now);
}

Outcome Operations::retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                          Millis now, std::optional<RowState> chosen) {
    Change change(names_);
    names_.ready().forget();
    const Requested found = requested(names_, name, chosen);
    Outcome outcome = judge_retry(found.facts);
    if (outcome.count == 0) return outcome;
    if (found.facts.event == EventState::skipped) change.renew(name.event);
    for (const Stored& delivery : found.deliveries) {
        if (!is_retried(delivery.state, name)) continue;
        if (delivery.state == waiting) {
            make_due(delivery.d, now);
        } else {
            retry_ended(change, delivery, extra_attempts(delivery.hook), now);
        }
    }
    change.commit();
    return outcome;
}

void Operations::remove_refusal(EventNumber event, const std::string& hook) {
    std::vector<Refusal> refused;
    std::int64_t more = 0;
    {
        Rows rows = db_.rows(sql::refusals, event);
        if (!rows.next()) return;
        more = rows.number(sql::refusal_row::more);
        refused = unpack_refusals(rows.view(sql::refusal_row::list));
    }
    const auto is_of_hook = [&](const Refusal& refusal) { return refusal.hook == hook; };
    if (std::erase_if(refused, is_of_hook) == 0) return;
    const std::string list = pack_refusals(refused);
    db_.run(sql::refusals_add, event, more, Blob{list});
}

Outcome Operations::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    Change change(names_);
    names_.ready().forget();
    const Requested found = requested(names_, {number, delivery.hook});
    Outcome outcome = judge_deliver(found.facts);
    if (outcome.count == 0) return outcome;
    if (found.facts.event == EventState::skipped) change.match(number);
    remove_refusal(number, delivery.hook);
    const HookId hook = names_.hook(delivery.hook);
    Open open{.d = delivery_id(number, hook), .due_at = now};
    open.max_attempts = delivery.max_attempts;
    if (const std::optional<Identity> of = identity(names_, number)) {
        open.account = of->account;
        if (delivery.ordered) open.lane = names_.lane(hook, of->account, of->facts);
    }
    change.counters().opened(hook);
    resume(change, open, now);
    change.commit();
    return outcome;
}

Outcome Operations::cancel(const DeliveryName& name, bool kill, Millis now,
                           std::optional<RowState> chosen) {
    Change change(names_);
    names_.ready().forget();
    const Requested found = requested(names_, name, chosen);
    Outcome outcome = judge_cancel(found.facts, kill);
    if (outcome.count == 0) return outcome;
    if (found.facts.event == EventState::fresh) {
        change.skip(name.event, "cancelled", false, now);
        db_.run(sql::unmatched_remove, name.event);
        change.pass_skipped();
    }
    if (found.facts.event == EventState::skipped) change.give_up(name.event, "cancelled", now);
    for (const Stored& delivery : found.deliveries) {
        if (delivery.state == waiting) {
            const std::optional<Open> open = read_open(db_, delivery.d);
            if (!open) continue;
            change.end_waiting(*open, DeliveryState::cancelled, std::nullopt, now);
            settle_lane(db_, open->lane, now);
        } else if (delivery.state == running && kill) {
            db_.run(sql::running_kill, delivery.d);
        }
    }
    change.commit();
    return outcome;
}

}  // namespace

std::unique_ptr<Operator> make_operator(Names& names) {
    return std::make_unique<Operations>(names);
}

}  // namespace bx::sqlite
