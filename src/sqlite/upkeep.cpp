// The upkeep of the SQLite store.
#include <algorithm>

#include "sqlite/change.h"
#include "sqlite/export.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

// For readers: while one of them reads, the log cannot be emptied.
constexpr Millis scrub_wait = 20;
constexpr std::size_t capped_at_most = 1000;  // deliveries in one transaction

class Maintenance final : public Upkeep {
public:
    Maintenance(Database& database, Journal journal) : db_(database), journal_(journal) {}

    std::size_t prune(const PruneOrder& order) override;
    std::vector<EventNumber> prunable(const PruneOrder& order) override;
    void recount_running() override;
    std::int64_t count_prunable(const PruneOrder& order) override;
    bool cap_due(Millis latest) override;
    bool scrub() override;
    ClockRecord watch_clock(const ClockReading& now) override;
    std::int64_t unfinished() override { return tally(db_, "unfinished"); }
    EventNumber newest() override { return last_number(db_); }

private:
    Database& db_;
    const Journal journal_;
};

std::int64_t rows_of(Database& database, EventNumber number) {
    return database.number("SELECT (SELECT count(*) FROM delivery WHERE event = ?1) + "
                           "(SELECT count(*) FROM attempt WHERE event = ?1) + "
                           "(SELECT count(*) FROM refusal WHERE event = ?1)",
                           {number});
}

void remove_event(Change& change, EventNumber number) {
    Database& database = change.database();
    {
        Rows rows = database.rows("SELECT state, slot FROM event WHERE n = ?", {number});
        rows.next();
        change.counters().add("", name_of(static_cast<EventState>(rows.number(0))), -1);
        if (const auto slot = rows.maybe_number(1)) change.erase(*slot);
    }
    {
        Rows rows = database.rows("SELECT hook, state FROM delivery WHERE event = ?", {number});
        while (rows.next()) {
            const auto state = static_cast<DeliveryState>(rows.number(1));
            change.counters().add(rows.text(0), name_of(state), -1);
        }
    }
    database.run("DELETE FROM attempt WHERE event = ?", {number});
    database.run("DELETE FROM delivery WHERE event = ?", {number});
    database.run("DELETE FROM refusal WHERE event = ?", {number});
    database.run("DELETE FROM body WHERE event = ?", {number});
    database.run("DELETE FROM event WHERE n = ?", {number});
}

// Takes the numbers in ROWS, but those that ORDER passes over, until NUMBERS are as many as it wants.
void take_prunable(Rows rows, const PruneOrder& order, std::vector<EventNumber>& numbers) {
    while (numbers.size() < order.at_most && rows.next()) {
        const EventNumber number = rows.number(0);
        if (std::ranges::find(order.passed_over, number) == order.passed_over.end()) {
            numbers.push_back(number);
        }
    }
}

std::vector<EventNumber> Maintenance::prunable(const PruneOrder& order) {
    std::vector<EventNumber> numbers;
    const std::size_t looked_at = order.at_most + order.passed_over.size();
    take_prunable(db_.rows("SELECT n FROM event INDEXED BY event_done "
                           "WHERE ended_at IS NOT NULL AND dead = 0 AND ended_at < ? "
                           "ORDER BY ended_at LIMIT ?",
                           {order.done_before, looked_at}),
                  order, numbers);
    if (order.dead_before == 0) return numbers;
    // What else became of such an event keeps it for as long as that is kept.
    take_prunable(
        db_.rows("SELECT n FROM event INDEXED BY event_dead "
                 "WHERE ended_at IS NOT NULL AND dead > 0 AND ended_at < ?1 AND NOT EXISTS "
                 "(SELECT 1 FROM delivery WHERE event = n AND state <> 3 AND ended_at >= ?2) "
                 "ORDER BY ended_at LIMIT ?3",
                 {order.dead_before, order.done_before, looked_at}),
        order, numbers);
    return numbers;
}

std::size_t Maintenance::prune(const PruneOrder& order) {
    Change change(db_);
    const std::vector<EventNumber> numbers = prunable(order);
    if (numbers.empty()) return 0;
    std::size_t removed = 0;
    const auto most_rows = static_cast<std::int64_t>(10 * order.at_most);
    for (std::int64_t rows = 0; removed < numbers.size() && rows < most_rows; ++removed) {
        rows += rows_of(db_, numbers[removed]);
        remove_event(change, numbers[removed]);
    }
    change.commit();
    return removed;
}

void Maintenance::recount_running() {
    Change change(db_);
    db_.run("UPDATE tally SET n = (SELECT count(*) FROM delivery INDEXED BY delivery_state "
            "WHERE delivery.state <> 2 AND delivery.state = 1 AND delivery.hook = tally.hook) "
            "WHERE hook <> '' AND what = 'running'");
    change.commit();
}

std::int64_t Maintenance::count_prunable(const PruneOrder& order) {
    const Transaction moment(db_, Transaction::Kind::read);
    const std::int64_t done =
        db_.number("SELECT count(*) FROM event INDEXED BY event_done "
                   "WHERE ended_at IS NOT NULL AND dead = 0 AND ended_at < ?",
                   {order.done_before});
    if (order.dead_before == 0) return done;
    return done +
           db_.number("SELECT count(*) FROM event INDEXED BY event_dead "
                      "WHERE ended_at IS NOT NULL AND dead > 0 AND ended_at < ?1 AND NOT EXISTS "
                      "(SELECT 1 FROM delivery WHERE event = n AND state <> 3 AND ended_at >= ?2)",
                      {order.dead_before, order.done_before});
}

// Those behind another of their lane have their turn, and are capped, later.
bool Maintenance::cap_due(Millis latest) {
    const bool any = db_.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_due "
                                "WHERE turn = 1 AND due_at > ?)",
                                {latest}) != 0;
    if (!any) return false;
    Change change(db_);
    const std::int64_t capped =
        db_.run("UPDATE delivery SET due_at = ?1 WHERE (event, hook) IN "
                "(SELECT event, hook FROM delivery INDEXED BY delivery_due "
                "WHERE turn = 1 AND due_at > ?1 LIMIT ?2)",
                {latest, capped_at_most});
    change.commit();
    return capped == std::int64_t{capped_at_most};
}

// Of one machine: what was known of another boot is of no use any more.
ClockRecord Maintenance::watch_clock(const ClockReading& now) {
    std::optional<ClockRecord> known;
    {
        Rows rows = db_.rows("SELECT up, wall, step FROM clock WHERE boot = ?", {now.boot});
        if (rows.next()) known = {now.boot, rows.number(0), rows.number(1), rows.number(2)};
    }
    if (known && known->agrees(now)) return *known;
    const ClockRecord begun = begin_trial(known, now);
    Change change(db_);
    db_.run("DELETE FROM clock");
    db_.run("INSERT INTO clock (boot, up, wall, step) VALUES (?, ?, ?, ?)",
            {begun.boot, begun.up, begun.wall, begun.step});
    change.commit();
    return begun;
}

bool Maintenance::scrub() {
    if (journal_ == Journal::rollback) return true;  // no log: what is erased is gone at the commit
    const std::int64_t erased = tally(db_, "erased");
    const std::int64_t scrubbed = tally(db_, "scrubbed");
    if (erased == scrubbed) return true;
    if (!db_.empty_log(scrub_wait)) return false;
    Change change(db_);
    change.counters().add("", "scrubbed", erased - scrubbed);
    change.commit();
    return true;
}

}  // namespace

std::unique_ptr<Upkeep> make_upkeep(Database& database, Journal journal) {
    return std::make_unique<Maintenance>(database, journal);
}

}  // namespace bx::sqlite
