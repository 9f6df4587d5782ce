// What the lists of both stores are made of: what of a ListFilter no statement sees to, and the rows
// of several statements, each of one state, merged into one list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "store/records.h"

namespace bx {

// The states that are asked for one by one; none: any state, in one statement.
inline std::vector<std::optional<RowState>> states_of(const ListFilter& filter) {
    std::vector<std::optional<RowState>> states(filter.states.begin(), filter.states.end());
    if (states.empty()) states.emplace_back();
    return states;
}

// The one hook that a statement can see to; empty: any, or several.
inline std::string hook_of(const ListFilter& filter) {
    return filter.hooks.size() == 1 ? filter.hooks.front() : std::string();
}

// Asks ROW for no more than it needs: there may be as many as the store has.
template <typename Row>
bool passes(const ListFilter& filter, const Row& row) {
    if (row.received_at() < filter.from) return false;
    if (filter.hooks.size() > 1 && std::ranges::find(filter.hooks, row.hook()) ==
                                       filter.hooks.end()) {
        return false;
    }
    if (!filter.portal.empty() && !equal_ignoring_case(filter.portal, row.domain()) &&
        !equal_ignoring_case(filter.portal, row.member_id())) {
        return false;
    }
    return filter.code_glob.empty() || glob_match(filter.code_glob, row.code(), true);
}

// The first LIMIT rows of SOURCES.  A source has_row(), `place`s it, and gives it to take().
template <typename Source>
std::vector<ListRow> merge_rows(std::vector<Source>& sources, std::size_t limit) {
    const auto comes_before = [](const DeliveryName& one, const DeliveryName& other) {
        return one.event != other.event ? one.event > other.event : one.hook > other.hook;
    };
    std::vector<ListRow> list;
    while (list.size() < limit) {
        Source* next = nullptr;
        for (Source& source : sources) {
            if (!source.has_row()) continue;
            if (!next || comes_before(source.place(), next->place())) next = &source;
        }
        if (!next) break;
        list.push_back(next->take());
    }
    return list;
}

}  // namespace bx
