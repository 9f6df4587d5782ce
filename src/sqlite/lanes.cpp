#include "sqlite/lanes.h"

#include <vector>

#include "sqlite/statements.h"

namespace bx::sqlite {

void give_turn(Database& database, const Waiting& waiting, Millis now) {
    const auto& [d, account, due_at] = waiting;
    if (due_at <= now) {
        database.run(sql::ready_add, hook_of(d), account, d, due_at);
    } else {
        database.run(sql::due_add, due_at, d);
    }
}

bool take_turn(Database& database, const Waiting& waiting) {
    const auto& [d, account, due_at] = waiting;
    return database.run(sql::ready_remove, hook_of(d), account, d) > 0 ||
           database.run(sql::due_remove, due_at, d) > 0;
}

void settle_lane(Database& database, Lane lane, Millis now) {
    if (!lane) return;
    const bool one_runs = database.maybe_number(sql::lane_runs, lane).has_value();
    std::vector<Waiting> waiting;
    {
        // One delivery changed, and before that at most the first that waited had the turn: so
        // nobody has it now but these.
        Rows rows = database.rows(sql::lane_standing, lane);
        using row = sql::standing_row;
        while (rows.next()) {
            if (rows.number(row::runs) != 0) continue;
            waiting.push_back(
                {rows.number(row::d), rows.number(row::portal), rows.number(row::due_at)});
        }
    }
    bool first = true;
    for (const Waiting& one : waiting) {
        const auto& [d, account, due_at] = one;
        if (first && !one_runs) {
            if (database.number(sql::has_turn, hook_of(d), account, d, due_at) == 0) {
                give_turn(database, one, now);
            }
        } else {
            take_turn(database, one);
        }
        first = false;
    }
}

void pass_turn(Database& database, Lane lane, Millis now) {
    if (!lane) return;
    std::optional<Waiting> next;
    {
        Rows rows = database.rows(sql::lane_next, lane);
        using row = sql::next_row;
        if (rows.next()) {
            next = {rows.number(row::d), rows.number(row::portal), rows.number(row::due_at)};
        }
    }
    if (next) give_turn(database, *next, now);
}

std::size_t make_claimable(Names& names, Millis now, std::size_t at_most) {
    Database& database = names.database();
    struct Due {
        Millis at;
        DeliveryId d;
        std::optional<PortalId> account;  // none: it is not open
    };
    std::vector<Due> due;
    {
        Rows rows = database.rows(sql::due_by, now, at_most);
        using row = sql::due_row;
        while (rows.next()) {
            due.push_back(
                {rows.number(row::at), rows.number(row::d), rows.maybe_number(row::portal)});
        }
    }
    for (const auto& [at, d, account] : due) {
        database.run(sql::due_remove, at, d);
        if (!account) continue;
        database.run(sql::ready_add, hook_of(d), *account, d, at);
        names.ready().add(hook_of(d));
    }
    return due.size();
}

std::optional<EventNumber> blocker(Database& database, DeliveryId d, Lane lane) {
    if (!lane) return std::nullopt;
    std::optional<DeliveryId> other = database.maybe_number(sql::lane_before, lane, d);
    if (!other) {
        other = database.maybe_number(sql::lane_runs, lane);
        if (other == d) return std::nullopt;
    }
    if (!other) return std::nullopt;
    return event_of(*other);
}

}  // namespace bx::sqlite
