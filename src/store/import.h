// Events with all that became of them, from a SQLite store into one that many hosts share.
#pragma once

#include <span>
#include <vector>

#include "store/records.h"

namespace bx {

struct MovedDelivery {
    DeliveryRecord record;  // without `blocked_by`
    bool ordered = true;    // it has a lane
    std::optional<Millis> failed_at;
    std::optional<int> failures;  // as Claim's
    std::vector<AttemptRecord> attempts;
};

struct MovedEvent {
    StoredEvent event;  // with refusals, body and secrets
    std::optional<Millis> ended_at;
    std::vector<MovedDelivery> deliveries;
};

class StoreImport {
public:
    virtual ~StoreImport() = default;

    // Numbers that the store gives from now on are beyond LAST by so many that the other store can
    // go on with its own for a while.  Throws StoreError.
    virtual void give_numbers_after(EventNumber last) = 0;
    // The smallest number of an event that is there and not beyond LAST; 0: there is none.
    virtual EventNumber first_up_to(EventNumber last) = 0;
    // Throws StoreError where a number of EVENTS is that of another event there.
    virtual void require_same(std::span<const MovedEvent> events) = 0;
    // Takes EVENTS over, in one transaction, and gives how many: those that are there already are
    // left as they are.  Throws StoreError, also as require_same does: then it takes none.
    virtual std::size_t take(std::span<const MovedEvent> events) = 0;
};

}  // namespace bx
