// Tells of installations that need a person: the events BXHOOK.PORTAL.
#pragma once

#include "config/config.h"
#include "store/store.h"

namespace bx {

// Adds the event of installation ID, with what is wrong with it and what to do, where a hook names
// such events and the queue has room, and sees to it that a worker takes it.  The hooks are those
// of CONFIG's file as it is now; while that has errors the event waits for its correction.  What
// is wrong is in the store already: where this throws, nothing is lost but the event.  Throws
// Error.
void tell_of_portal(Store& store, const Config& config, InstallationId id);

}  // namespace bx
