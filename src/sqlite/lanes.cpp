#include "sqlite/lanes.h"

#include <vector>

namespace bx::sqlite {

bool lane_is_free(Database& database, const LaneKey& key) {
    return database.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_lane "
                           "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2)",
                           {key.hook, key.portal, key.lane}) == 0;
}

void give_turn(Database& database, const LaneKey& key, Millis now) {
    if (key.lane.empty()) return;
    struct Standing {
        EventNumber event;
        std::optional<std::int64_t> turn;  // as it is
        std::optional<std::int64_t> due;   // as it must be
    };
    std::vector<Standing> standings;
    {
        // The index gives the running one first, then the waiting by event.  Only these two can be
        // wrong: one delivery changed, and before that at most the first waiting had the turn.
        Rows rows = database.rows(
            "SELECT event, state, turn, due_at FROM delivery INDEXED BY delivery_lane "
            "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 "
            "ORDER BY state DESC, event LIMIT 2",
            {key.hook, key.portal, key.lane});
        while (rows.next()) {
            Standing standing{rows.number(0), rows.maybe_number(2), std::nullopt};
            const bool waiting =
                static_cast<DeliveryState>(rows.number(1)) == DeliveryState::waiting;
            if (waiting && standings.empty()) standing.due = turn_at(rows.number(3), now);
            standings.push_back(standing);
        }
    }
    for (const Standing& standing : standings) {
        if (standing.turn == standing.due) continue;
        database.run("UPDATE delivery SET turn = ? WHERE event = ? AND hook = ?",
                      {standing.due, standing.event, key.hook});
    }
}

std::optional<std::int64_t> turn_of(const LaneKey& key, Millis due_at, Millis now) {
    if (!key.lane.empty()) return std::nullopt;
    return turn_at(due_at, now);
}

std::int64_t make_claimable(Database& database, Millis now, std::size_t at_most) {
    // Mostly none is due, and asking first costs a tenth.
    const bool any = database.number("SELECT EXISTS (SELECT 1 FROM delivery "
                                     "INDEXED BY delivery_due WHERE turn = 1 AND due_at <= ?)",
                                     {now}) != 0;
    if (!any) return 0;
    return database.run(
        "UPDATE delivery SET turn = 2 WHERE (event, hook) IN "
        "(SELECT event, hook FROM delivery INDEXED BY delivery_due "
        "WHERE turn = 1 AND due_at <= ? ORDER BY due_at LIMIT ?)",
        {now, at_most});
}

std::optional<EventNumber> blocker(Database& database, EventNumber event, const LaneKey& key) {
    std::optional<EventNumber> before;
    {
        Rows rows = database.rows("SELECT max(event) FROM delivery INDEXED BY delivery_lane "
                                  "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 "
                                  "AND state = 0 AND event < ?",
                                  {key.hook, key.portal, key.lane, event});
        if (rows.next()) before = rows.maybe_number(0);
    }
    Rows rows = database.rows("SELECT event FROM delivery INDEXED BY delivery_lane "
                              "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 "
                              "AND state = 1",
                              {key.hook, key.portal, key.lane});
    if (!rows.next()) return before;
    const EventNumber running = rows.number(0);
    if (!before || (running < event && running > *before)) return running;
    return before;
}

}  // namespace bx::sqlite
