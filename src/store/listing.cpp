#include "store/listing.h"

#include <algorithm>
#include <string>

#include "base/text.h"

namespace bx {

bool is_of_portal(const ListFilter& filter, std::string_view domain, std::string_view member_id) {
    return filter.portal.empty() || equal_ignoring_case(filter.portal, domain) ||
           equal_ignoring_case(filter.portal, member_id);
}

bool has_state(const ListFilter& filter, RowState state) {
    return filter.states.empty() ||
           std::ranges::find(filter.states, state) != filter.states.end();
}

bool passes(const ListFilter& filter, const ListRow& row) {
    if (!has_state(filter, state_of(row))) return false;
    if (!row.delivery) return filter.hooks.empty();
    const std::string& hook = row.delivery->hook;
    if (filter.beyond && filter.beyond->event == row.event.number && hook >= filter.beyond->hook) {
        return false;
    }
    return filter.hooks.empty() ||
           std::ranges::find(filter.hooks, hook) != filter.hooks.end();
}

}  // namespace bx
