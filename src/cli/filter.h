// The options that choose deliveries, of `list` and of `retry` and `cancel` in bulk, and what they
// choose.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "cli/arguments.h"

namespace bx {

std::vector<Option> filter_options();
// True when ARGS gives one of them.
bool has_filter(const Arguments& args);
// States and hooks may be several; times are in the terminal's zone (cli/moment.h).  Throws
// UsageError for an unknown state, a bad time, an option without value, or one that was given twice
// and takes one value.
ListFilter filter_of(const Arguments& args);

// Gives the rows of FILTER, FILTER.limit of them in all, to TAKE: in the order of a list, and in
// pieces, so that they need not fit into memory.  Throws what the store and TAKE throw.
void for_rows(View& view, ListFilter filter, const std::function<void(std::span<ListRow>)>& take);
// What comes after ROW in a list.
DeliveryName place_of(const ListRow& row);

}  // namespace bx
