#include "sqlite/repair.h"

#include <map>
#include <vector>

#include "sqlite/change.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

// As it is counted anew.
struct Counted {
    std::map<HookId, std::int64_t> open;  // deliveries of each hook
    std::int64_t unfinished = 0;          // events
    std::int64_t skipped = 0;
    std::int64_t turns = 0;  // that there must be: of a lane one, of each without a lane
};

Counted count_anew(Database& database) {
    Counted counted;
    EventNumber last = 0;
    {
        Rows rows = database.rows(sql::open_all);
        using row = sql::standing_of;
        while (rows.next()) {
            const DeliveryId d = rows.number(row::d);
            ++counted.open[hook_of(d)];
            if (event_of(d) != last) ++counted.unfinished;
            last = event_of(d);
            if (rows.is_null(row::lane)) ++counted.turns;
        }
    }
    Lane lane;
    {
        Rows rows = database.rows(sql::lanes_all);
        while (rows.next()) {
            if (lane != rows.number(0)) ++counted.turns;
            lane = rows.number(0);
        }
    }
    const EventNumber matched = read_world(database).matched;
    counted.unfinished += last_event(database).number - matched -
                          database.number(sql::skipped_after, matched) +
                          database.number(sql::unmatched_count);
    counted.skipped = database.number(sql::skipped_count);
    return counted;
}

struct Wrong {
    std::vector<HookId> hooks;
    bool world = false;
    bool turns = false;

    bool any() const { return world || turns || !hooks.empty(); }
};

Wrong compare(Database& database, Counted& counted) {
    Wrong wrong;
    {
        Rows rows = database.rows(sql::hook_opens);
        while (rows.next()) {
            if (rows.number(1) != counted.open[rows.number(0)]) {
                wrong.hooks.push_back(rows.number(0));
            }
        }
    }
    wrong.world = last_event(database).unfinished() != counted.unfinished ||
                  read_world(database).skipped != counted.skipped;
    wrong.turns = database.number(sql::turns) != counted.turns;
    return wrong;
}

void settle_all(Database& database, Millis now) {
    database.run(sql::running_clean);
    database.run(sql::ready_clean);
    database.run(sql::due_clean);
    std::vector<DeliveryId> turnless;
    {
        Rows rows = database.rows(sql::turnless);
        while (rows.next()) turnless.push_back(rows.number(0));
    }
    for (const DeliveryId d : turnless) {
        if (const auto open = read_open(database, d)) give_turn(database, open->waiting(), now);
    }
    std::vector<std::int64_t> lanes;
    {
        Rows rows = database.rows(sql::lanes_all);
        while (rows.next()) {
            if (lanes.empty() || lanes.back() != rows.number(0)) lanes.push_back(rows.number(0));
        }
    }
    for (const std::int64_t lane : lanes) settle_lane(database, lane, now);
}

}  // namespace

void repair(Names& names, Millis now) {
    Database& database = names.database();
    {
        const Transaction moment(database, Transaction::Kind::read);
        Counted counted = count_anew(database);
        if (!compare(database, counted).any()) return;
    }
    Transaction transaction(database, Transaction::Kind::write);
    database.run(sql::unmatched_clean);
    Counted counted = count_anew(database);
    const Wrong wrong = compare(database, counted);
    for (const HookId hook : wrong.hooks) {
        database.run(sql::hook_open_set, hook, counted.open[hook]);
    }
    if (wrong.world) {
        const EventNumber last = last_event(database).number;
        database.run(sql::finished_set, last - counted.unfinished, counted.skipped);
    }
    // Whoever changed the one may have changed the other.
    if (wrong.any()) settle_all(database, now);
    transaction.commit();
}

}  // namespace bx::sqlite
