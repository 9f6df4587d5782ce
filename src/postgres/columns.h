// Lists of values for a call, one element a row.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "postgres/link.h"

namespace bx::postgres {

// Of each of ROWS what PART gives of it, a number or none.  NULL where it is NOTHING for all of them,
// which a function takes for none.
template <typename Rows, typename Part>
Param numbers_of(const Rows& rows, Part part, std::optional<std::int64_t> nothing = std::nullopt) {
    std::vector<std::optional<std::int64_t>> list;
    list.reserve(rows.size());
    for (const auto& row : rows) list.emplace_back(part(row));
    const bool any = std::ranges::any_of(list, [&](const auto& value) { return value != nothing; });
    return any ? Param::numbers(list) : Param::null();
}

// The same of bytes; empty ones are none.
template <typename Rows, typename Part>
Param bytes_of(const Rows& rows, Part part) {
    std::vector<std::optional<std::string>> list;
    list.reserve(rows.size());
    bool any = false;
    for (const auto& row : rows) {
        const std::string& value = part(row);
        any = any || !value.empty();
        list.push_back(value.empty() ? std::nullopt : std::optional(value));
    }
    return any ? Param::bytes(list) : Param::null();
}

// The same of texts; NULL where all are empty.
template <typename Rows, typename Part>
Param texts_of(const Rows& rows, Part part) {
    std::vector<std::string> list;
    list.reserve(rows.size());
    for (const auto& row : rows) list.push_back(part(row));
    const bool any = std::ranges::any_of(list, [](const auto& text) { return !text.empty(); });
    return any ? Param::texts(list) : Param::null();
}

}  // namespace bx::postgres
