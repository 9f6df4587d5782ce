// What a person changes in a store.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <functional>
#include <optional>

#include "store/outcomes.h"

namespace bx {

// How many more attempts a delivery of HOOK gets.
using ExtraAttempts = std::function<int(const std::string& hook)>;

class Operator {
public:
    virtual ~Operator() = default;

    // `retry N`: dead and cancelled deliveries become `waiting`, those that wait are due at NOW, a
    // skipped event becomes `new`.  `retry N/HOOK`: a done one too.  Merged and running ones, and a
    // new event, are refused.  EXTRA_ATTEMPTS is not asked for one that waits: it has its own.
    //
    // Of one CHOSEN by its state, a row of `list`: nothing is done when it is in another one by now.
    virtual Outcome retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                          Millis now, std::optional<RowState> chosen = std::nullopt) = 0;
    // `retry N/HOOK` of a hook that did not take the event: makes that delivery, due at NOW, of a
    // matched event or of a skipped one, which becomes matched.  A new event is refused, and one
    // that has the delivery.  Nothing is merged into it.
    virtual Outcome deliver(EventNumber event, const NewDelivery& delivery, Millis now) = 0;
    // `cancel`: waiting deliveries become cancelled, a new event skipped, and one that was to be
    // matched again is skipped for good.  With KILL a running one is marked for the worker, which
    // ends it; however that run ends, it is not repeated.  CHOSEN as for retry.
    virtual Outcome cancel(const DeliveryName& name, bool kill, Millis now,
                           std::optional<RowState> chosen = std::nullopt) = 0;
};

}  // namespace bx
