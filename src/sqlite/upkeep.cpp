// The upkeep of the SQLite store.
#include <vector>

#include "sqlite/counters.h"
#include "sqlite/export.h"
#include "sqlite/parts.h"
#include "sqlite/prune.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

// For readers: while one of them reads, the log cannot be emptied.
constexpr Millis scrub_wait = 20;
constexpr std::size_t capped_at_most = 1000;  // deliveries in one transaction

class Maintenance final : public Upkeep {
public:
    Maintenance(Names& names, Journal journal)
        : db_(names.database()), pruning_(names), journal_(journal) {}

    Pruned prune(const PruneOrder& order) override { return pruning_.step(order); }
    std::vector<EventNumber> prunable(const PruneOrder& order) override {
        return pruning_.next(order);
    }
    void recount_running() override {}  // each claim counts them
    std::int64_t count_prunable(const PruneOrder& order) override {
        return pruning_.count(order);
    }
    bool cap_due(Millis latest) override;
    bool scrub() override;
    ClockRecord watch_clock(const ClockReading& now) override;
    EventNumber newest() override { return last_number(db_); }
    std::int64_t unfinished() override { return last_event(db_).unfinished(); }

private:
    Database& db_;
    Pruning pruning_;
    const Journal journal_;
};

// Those behind another of their lane have their turn, and are capped, later.
bool Maintenance::cap_due(Millis latest) {
    struct Late {
        Millis at;
        DeliveryId d;
    };
    std::vector<Late> late;
    {
        Rows rows = db_.rows(sql::due_after, latest, capped_at_most);
        using row = sql::late_row;
        while (rows.next()) late.push_back({rows.number(row::at), rows.number(row::d)});
    }
    if (late.empty()) return false;
    Transaction transaction(db_, Transaction::Kind::write);
    for (const auto& [at, d] : late) {
        if (db_.run(sql::due_remove, at, d) == 0) continue;  // it had its turn meanwhile
        db_.run(sql::due_add, latest, d);
        db_.run(sql::open_due, d, latest);
    }
    transaction.commit();
    return late.size() == capped_at_most;
}

// Of one machine: what was known of another boot is of no use any more.
ClockRecord Maintenance::watch_clock(const ClockReading& now) {
    std::optional<ClockRecord> known;
    {
        Rows rows = db_.rows(sql::clock, now.boot);
        using row = sql::clock_row;
        if (rows.next()) {
            known = {now.boot, rows.number(row::up), rows.number(row::wall),
                     rows.number(row::step)};
        }
    }
    if (known && known->agrees(now)) return *known;
    const ClockRecord begun = begin_trial(known, now);
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::clock_forget);
    db_.run(sql::clock_add, begun.boot, begun.up, begun.wall, begun.step);
    transaction.commit();
    return begun;
}

bool Maintenance::scrub() {
    if (journal_ == Journal::rollback) return true;  // no log: what is erased is gone at the commit
    const World world = read_world(db_);
    if (world.erased == world.scrubbed) return true;
    if (!db_.empty_log(scrub_wait)) return false;
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::scrubbed, world.erased);
    transaction.commit();
    return true;
}

}  // namespace

std::unique_ptr<Upkeep> make_upkeep(Names& names, Journal journal) {
    return std::make_unique<Maintenance>(names, journal);
}

}  // namespace bx::sqlite
