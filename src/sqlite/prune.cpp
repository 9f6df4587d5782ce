#include "sqlite/prune.h"

#include <algorithm>

#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::size_t looked_at_most = 500;  // events in one step

}  // namespace

bool Pruning::deliveries_may_go(EventNumber event, const PruneOrder& order) {
    Millis ended_at = 0;
    Millis others_ended_at = 0;
    bool dead = false;
    Rows rows = db_.rows(sql::ends, first_of(event), last_of(event));
    using row = sql::end_row;
    while (rows.next()) {
        const Millis at = rows.number(row::at);
        ended_at = std::max(ended_at, at);
        if (static_cast<DeliveryState>(rows.number(row::state)) == DeliveryState::dead) {
            dead = true;
        } else {
            others_ended_at = std::max(others_ended_at, at);
        }
    }
    if (!dead) return ended_at < order.done_before;
    return ended_at < order.dead_before && others_ended_at < order.done_before;
}

bool Pruning::may_go(EventNumber event, const PruneOrder& order) {
    if (std::ranges::find(order.passed_over, event) != order.passed_over.end()) return false;
    {
        Rows rows = db_.rows(sql::skip, event);
        using row = sql::skip_row;
        if (rows.next()) {
            const bool retryable = rows.number(row::retryable) != 0;
            return rows.number(row::at) < (retryable ? order.dead_before : order.done_before);
        }
    }
    if (db_.number(sql::open_of_event_exists, first_of(event), last_of(event)) != 0) return false;
    if (db_.number(sql::is_unmatched, event) != 0) return false;
    return deliveries_may_go(event, order);
}

std::vector<EventNumber> Pruning::look(const PruneOrder& order) {
    const Transaction moment(db_, Transaction::Kind::read);
    const EventNumber matched = read_world(db_).matched;
    const Millis too_young = std::max(order.done_before, order.dead_before);
    std::vector<EventNumber> found;
    for (std::size_t looked_at = 0; looked_at < looked_at_most && found.size() < order.at_most;) {
        const std::size_t before = looked_at;
        bool jump = false;
        Rows rows = db_.rows(sql::events_after, cursor_, looked_at_most - looked_at);
        using row = sql::age_row;
        while (!jump && found.size() < order.at_most && rows.next()) {
            const EventNumber event = rows.number(row::n);
            if (event > matched) break;
            ++looked_at;
            jump = rows.number(row::received_at) >= too_young;
            cursor_ = event;
            if (!jump && may_go(event, order)) found.push_back(event);
        }
        // Behind one that is too young are only such, up to where the clock was set back.
        std::optional<EventNumber> next;
        if (jump) next = db_.maybe_number(sql::next_clock_step, cursor_);
        if (next) {
            cursor_ = *next - 1;
        } else if (jump || looked_at == before) {
            if (jump) --cursor_;
            under_way_ = false;
            break;
        }
    }
    return found;
}

std::int64_t Pruning::rows_of(EventNumber event) {
    const DeliveryId first = first_of(event);
    const DeliveryId last = last_of(event);
    return db_.number(sql::ended_of_event, first, last) +
           db_.number(sql::attempts_of_event, first, last);
}

void Pruning::remove_event(Change& change, EventNumber event) {
    const DeliveryId first = first_of(event);
    const DeliveryId last = last_of(event);
    {
        Rows rows = db_.rows(sql::ends, first, last);
        using row = sql::end_row;
        while (rows.next()) {
            change.counters().removed(hook_of(rows.number(row::d)),
                                      static_cast<DeliveryState>(rows.number(row::state)));
        }
    }
    change.erase(event, db_.maybe_number(sql::event_slot, event));
    db_.run(sql::attempts_remove, first, last);
    db_.run(sql::ends_remove, first, last);
    db_.run(sql::refusals_remove, event);
    if (db_.run(sql::clock_step_remove, event) > 0) db_.run(sql::clock_step_move, event);
    if (db_.run(sql::skip_remove, event) > 0) change.counters().skipped(-1);
    db_.run(sql::event_remove, event);
    change.counters().pruned(event);
}

std::size_t Pruning::remove(const std::vector<EventNumber>& events, const PruneOrder& order) {
    Change change(names_);
    const auto most_rows = static_cast<std::int64_t>(10 * order.at_most);
    std::int64_t rows = 0;
    std::size_t removed = 0;
    for (const EventNumber event : events) {
        if (rows >= most_rows) {  // the rest is the next step's
            cursor_ = event - 1;
            under_way_ = true;
            break;
        }
        if (!may_go(event, order)) continue;  // somebody retried it meanwhile
        rows += rows_of(event);
        remove_event(change, event);
        ++removed;
    }
    if (removed > 0) change.commit();
    return removed;
}

void Pruning::begin(const PruneOrder& order) {
    if (!under_way_ && order.all) cursor_ = 0;
    under_way_ = true;
}

std::int64_t Pruning::count(const PruneOrder& order) const {
    Pruning copy(names_);
    std::size_t count = 0;
    for (copy.begin(order); copy.under_way_;) count += copy.look(order).size();
    return static_cast<std::int64_t>(count);
}

std::vector<EventNumber> Pruning::next(const PruneOrder& order) const {
    Pruning copy = *this;
    std::vector<EventNumber> found;
    for (copy.begin(order); copy.under_way_ && found.empty();) found = copy.look(order);
    return found;
}

Pruned Pruning::step(const PruneOrder& order) {
    begin(order);
    const EventNumber begun = cursor_;
    const std::vector<EventNumber> events = look(order);
    if (events.empty()) return {0, under_way_};
    try {
        const std::size_t deleted = remove(events, order);
        return {deleted, under_way_};
    } catch (...) {  // these are still to be deleted
        cursor_ = begun;
        under_way_ = true;
        throw;
    }
}

}  // namespace bx::sqlite
