// A store in which somebody changed something by hand, or that we damaged: what is kept beside what
// it tells of (counters, turns) is compared with that, and set right.
#pragma once

#include "sqlite/names.h"

namespace bx::sqlite {

// Reads all that is open; writes only when something does not agree.  Throws StoreError.
void repair(Names& names, Millis now);

}  // namespace bx::sqlite
