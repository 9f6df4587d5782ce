// What a ListFilter says of a row, for the lists of both stores.
#pragma once

#include <string_view>

#include "store/records.h"

namespace bx {

bool is_of_portal(const ListFilter& filter, std::string_view domain, std::string_view member_id);
bool has_state(const ListFilter& filter, RowState state);
// By its hook and state, and its place in the list.  What it says of the event is not asked here.
bool passes(const ListFilter& filter, const ListRow& row);

}  // namespace bx
