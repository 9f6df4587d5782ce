#include "cli/missed.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "cli/filter.h"
#include "worker/decision.h"

namespace bx {

namespace {

// The events of FILTER without a delivery of HOOK, newest first.  A list has all rows of one event
// together.
std::vector<EventNumber> without_delivery(View& view, const ListFilter& filter,
                                          const std::string& hook) {
    std::vector<EventNumber> numbers;
    EventNumber with = 0;  // the last one that has a delivery of it
    for_rows(view, filter, [&](std::span<ListRow> rows) {
        for (const ListRow& row : rows) {
            const EventNumber number = row.event.number;
            if (row.event.state == EventState::fresh || number == with) continue;
            const bool has = row.delivery && row.delivery->hook == hook;
            if (has) with = number;
            const bool listed = !numbers.empty() && numbers.back() == number;
            if (has && listed) numbers.pop_back();
            if (!has && !listed) numbers.push_back(number);
        }
    });
    return numbers;
}

}  // namespace

std::vector<EventNumber> missed_events(View& view, ListFilter filter, const Hook& hook) {
    filter.limit = std::numeric_limits<std::size_t>::max();
    std::vector<EventNumber> numbers = without_delivery(view, filter, hook.name);
    std::erase_if(numbers, [&](EventNumber number) {
        const std::optional<StoredEvent> event = view.event(number);
        return !event || !is_taken(*event, std::span(&hook, 1));
    });
    std::ranges::reverse(numbers);
    return numbers;
}

}  // namespace bx
