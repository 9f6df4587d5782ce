#include "sync/retry_soon.h"

#include <vector>

namespace bx {

namespace {

// One that was never begun waits for its `delay`, which is meant.
bool waits_for_another_attempt(const ListRow& row, Millis now) {
    return row.delivery && row.delivery->attempt > 0 && row.delivery->due_at.value_or(now) > now;
}

}  // namespace

std::size_t retry_soon(Store& store, std::mutex& mutex, const std::string& portal, Millis now) {
    const auto no_more = [](const std::string&) { return 0; };  // one that waits has its attempts
    ListFilter filter;
    filter.states = {RowState::waiting};
    filter.portal = portal;
    std::size_t count = 0;
    for (;;) {
        const std::lock_guard lock(mutex);
        const std::vector<ListRow> rows = store.view().list(filter);
        for (const ListRow& row : rows) {
            if (!waits_for_another_attempt(row, now)) continue;
            const DeliveryName name{row.event.number, row.delivery->hook};
            const Outcome outcome = store.operate().retry(name, no_more, now, RowState::waiting);
            count += outcome.count > 0 ? 1 : 0;
        }
        if (rows.size() < filter.limit) return count;
        filter.beyond = DeliveryName{rows.back().event.number, rows.back().delivery->hook};
    }
}

}  // namespace bx
