// Tells of installations that need a person: the events BXHOOK.PORTAL.
#pragma once

#include "config/config.h"
#include "store/store.h"

namespace bx {

// Adds the events of the installations that are to be told of (Chore::tell), each with what is wrong
// and what to do, where a hook names such events and the queue has room, and sees to it that a worker
// takes them.  The hooks are those of CONFIG's file as it is now; while that has errors the events wait
// for its correction.  Who dies in between leaves it to the next, who may tell a second time.  Throws
// Error: what is left is due in a minute.
void tell_of_portals(Store& store, const Config& config);

// The same of installation ID alone, where it is to be told of.
void tell_of_portal(Store& store, const Config& config, InstallationId id);

}  // namespace bx
