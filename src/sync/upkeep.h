// What an active installation needs from time to time.
#pragma once

#include "rest/oauth.h"
#include "sync/context.h"

namespace bx {

// Renews tokens that nobody has used for so long that their chain would end.  Throws Error when no
// process can be started.
ChoreEnd renew_idle(const SyncContext& context, const Installation& one);

// Has it the subscriptions that its `app` block wants (sync/subscriptions.h), looked at daily where
// that has `events`: begins no call after subscribing_lasts; what is left then is done when it is
// tried again.  Throws StoreError, Error.
constexpr Millis subscribing_lasts = 2 * minute;
ChoreEnd keep_subscriptions(const SyncContext& context, const Installation& one);

// Takes all that are ours back, before the installation is forgotten here.  The application is gone
// from the portal already: success too.  Throws StoreError, Error.
RestResult end_subscriptions(const SyncContext& context, const Installation& one);

}  // namespace bx
