// Events to be added, as the parameters of the functions that take them: bxhook.add and others.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "postgres/columns.h"
#include "postgres/names.h"
#include "postgres/sql.h"
#include "store/facts.h"

namespace bx::postgres {

constexpr std::int64_t no_number = -std::numeric_limits<std::int64_t>::max();  // sql/add.sql

// Unlike any other; begins with the time, so that old ones are told and new ones lie together.
std::string batch_key();

// Of ROWS, what PART gives of each: any bytes, which may be empty.
template <typename Rows, typename Part>
Param column(const Rows& rows, Part part) {
    std::vector<std::optional<std::string>> list;
    list.reserve(rows.size());
    for (const auto& row : rows) list.push_back(part(row));
    return Param::bytes(list);
}

// All but key, time, limit and `ts`, which is given.  With the names that the database has now.
template <typename Function>
Param add_events(Call<Function>& call, Names& names, std::span<const NewEvent> events) {
    using in = typename Function::In;
    const Session& session = names.session();
    std::vector<std::int64_t> portals;
    std::vector<std::int64_t> lanes;
    for (const NewEvent& event : events) {
        const Portal portal = names.portal(event.facts);
        portals.push_back(portal.id);
        lanes.push_back(names.lane(portal.account, event.facts).value_or(0));
    }
    call[in::received_at] = numbers_of(
        events, [&](const NewEvent& event) { return session.theirs(event.received_at); });
    call[in::portal] = Param::numbers(portals);
    call[in::lane] = Param::numbers(lanes);
    call[in::facts] = column(events, [](const auto& event) { return pack_facts(event.facts); });
    call[in::body] = column(events, [](const NewEvent& event) { return event.body; });
    call[in::secret] = bytes_of(
        events, [](const NewEvent& event) -> const std::string& { return event.secrets; });
    call[in::origin] = numbers_of(
        events, [](const NewEvent& event) { return static_cast<std::int64_t>(event.origin); },
        static_cast<std::int64_t>(Origin::post));
    call[in::installation] = numbers_of(
        events, [](const NewEvent& event) { return event.installation.value_or(0); }, 0);
    return numbers_of(
        events, [](const NewEvent& event) { return ts_number(event.facts.ts).value_or(no_number); },
        no_number);
}

}  // namespace bx::postgres
