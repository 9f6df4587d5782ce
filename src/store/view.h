// What a store shows.  Nothing here changes it.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace bx {

class View {
public:
    virtual ~View() = default;

    // In the order that ListFilter::beyond describes.
    virtual std::vector<ListRow> list(const ListFilter& filter) = 0;
    // Fills in why ROWS are in their states: `stderr_end` where has_failed, of a skipped event
    // `refused`.  What cannot be read stays empty.
    virtual void add_causes(std::span<ListRow> rows) = 0;
    // With refusals, body and (unless erased) secrets; none when there is no such event.
    virtual std::optional<StoredEvent> event(EventNumber number) = 0;
    virtual std::vector<DeliveryRecord> deliveries(EventNumber number) = 0;  // by hook
    virtual std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) = 0;
    virtual StoreStatus status(Millis now) = 0;
};

}  // namespace bx
