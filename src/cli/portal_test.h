// `portals test`: does what the portal posts arrive here?
#pragma once

#include "cli/arguments.h"
#include "config/config.h"
#include "store/store.h"

namespace bx {

// Has the portal that ARGS' second word names send an event of its own, with a number that nobody
// else knows, and waits until it is in STORE.  Gives the exit status: 0 it arrived; 1 it did not, or
// something has to be changed first; 75 the portal cannot be asked now.  Throws UsageError, Error.
int test_portal(const Arguments& args, const Config& config, Store& store);

}  // namespace bx
