#include "sqlite/change.h"

#include <vector>

#include "sqlite/events.h"
#include "sqlite/secrets.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

std::optional<Open> read_open(Database& database, DeliveryId d) {
    Rows rows = database.rows(sql::open, d);
    if (!rows.next()) return std::nullopt;
    using row = sql::open_row;
    Open open{.d = d};
    open.lane = rows.maybe_number(row::lane);
    open.account = rows.number(row::portal);
    open.due_at = rows.number(row::due_at);
    open.attempt = static_cast<int>(rows.number(row::attempt));
    open.max_attempts = static_cast<int>(rows.number(row::max_attempts));
    open.fellows = rows.number(row::fellows);
    open.failures = small(rows.maybe_number(row::failures));
    open.failed_at = rows.maybe_number(row::failed_at);
    open.reason = rows.text(row::reason);
    return open;
}

Change::Change(Names& names)
    : names_(names), transaction_(names.database(), Transaction::Kind::write), counters_(names) {}

void Change::commit() {
    counters_.write();
    transaction_.commit();
}

void Change::add_open(const Open& open) {
    Bound reason = nullptr;
    if (!open.reason.empty()) reason = open.reason;
    database().run(sql::open_add, open.d, open.lane, open.account, open.due_at, open.attempt,
                   open.max_attempts, open.fellows, open.failures, open.failed_at, reason);
}

void Change::delivery_ended(DeliveryId d, std::int64_t fellows, DeliveryState state,
                            std::optional<std::int64_t> slot) {
    const EventNumber event = event_of(d);
    const bool alone = fellows == 1;
    const auto others = [&](const Statement<2>& statement) {
        return !alone && database().number(statement, first_of(event), last_of(event)) != 0;
    };
    if (others(sql::open_of_event_exists)) return;
    counters_.finished(1);
    if (state == DeliveryState::dead || others(sql::dead_of_event_exists)) return;
    erase(event, slot ? slot : database().maybe_number(sql::event_slot, event));
}

void Change::end_waiting(const Open& open, DeliveryState state,
                         std::optional<EventNumber> merged_into, Millis at) {
    take_turn(database(), open.waiting());
    database().run(sql::open_remove, open.d);
    database().run(sql::ended_add, open.d, static_cast<int>(state), at, open.attempt,
                   open.max_attempts, open.lane.has_value(), merged_into);
    counters_.ended(hook_of(open.d), state);
    delivery_ended(open.d, open.fellows, state, std::nullopt);
}

void Change::skip(EventNumber event, const std::string& reason, bool retryable, Millis at) {
    database().run(sql::skip_add, event, at, retryable, reason);
    counters_.skipped(1);
    counters_.finished(1);
    if (!retryable) erase(event, database().maybe_number(sql::event_slot, event));
}

void Change::renew(EventNumber event) {
    database().run(sql::skip_remove, event);
    database().run(sql::refusals_remove, event);
    if (event <= read_world(database()).matched) database().run(sql::unmatched_add, event);
    counters_.skipped(-1);
    counters_.finished(-1);
}

void Change::give_up(EventNumber event, const std::string& reason, Millis at) {
    database().run(sql::skip_add, event, at, false, reason);
    erase(event, database().maybe_number(sql::event_slot, event));
}

void Change::match(EventNumber event) {
    database().run(sql::skip_remove, event);
    counters_.skipped(-1);
    pass(event);
}

EventNumber Change::matched() {
    if (!matched_) matched_ = read_world(database()).matched;
    return *matched_;
}

EventNumber Change::cancelled_last() {
    if (!cancelled_last_) cancelled_last_ = database().number(sql::skipped_last);
    return *cancelled_last_;
}

bool Change::is_new(EventNumber event) {
    if (event > matched() && event > cancelled_last()) return true;
    return event_state(database(), event) == EventState::fresh;
}

void Change::take_new(EventNumber event) {
    if (event > matched()) return pass(event);
    database().run(sql::unmatched_remove, event);
}

void Change::pass(EventNumber event) {
    if (event <= matched()) return;
    if (event > *matched_ + 1) {
        std::vector<EventNumber> still_new;
        {
            Rows rows = database().rows(sql::new_between, *matched_, event);
            while (rows.next()) still_new.push_back(rows.number(0));
        }
        for (const EventNumber one : still_new) database().run(sql::unmatched_add, one);
        // One that is gone, as no program of ours would make it, never ends.
        const std::int64_t there = database().number(sql::events_between, *matched_, event);
        counters_.finished(event - *matched_ - 1 - there);
    }
    matched_ = event;
    counters_.matched_up_to(event);
}

void Change::pass_skipped() {
    if (cancelled_last() <= matched()) return;
    const std::optional<EventNumber> next = database().maybe_number(sql::next_new, matched());
    pass(next ? *next - 1 : last_event(database()).number);
}

void Change::erase(EventNumber event, std::optional<std::int64_t> slot) {
    if (slot && erase_secrets(database(), *slot, event)) counters_.erased();
}

}  // namespace bx::sqlite
