// What an active installation needs from time to time.
#pragma once

#include "rest/oauth.h"
#include "sync/context.h"

namespace bx {

// Renews tokens that nobody has used for so long that their chain would end.  Throws Error when no
// process can be started.
ChoreEnd renew_idle(const SyncContext& context, const Installation& one);

// Subscribes to its end: only who asked for ONAPPUNINSTALL is sent it.  Throws StoreError, Error.
ChoreEnd bind_end(const SyncContext& context, const Installation& one);

// Takes that back, before the installation is forgotten here.  The application is gone from the
// portal already: success too.  Throws StoreError, Error.
RestResult unbind_end(const SyncContext& context, const Installation& one);

}  // namespace bx
