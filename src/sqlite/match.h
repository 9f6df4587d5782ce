// Verdicts of a matcher, in whose transaction more may be done.
#pragma once

#include <span>

#include "sqlite/change.h"

namespace bx::sqlite {

// MatchQueue::dispatch as a part of CHANGE.  Throws StoreError.
void dispatch(Change& change, std::span<const Dispatch> verdicts, Millis now);

}  // namespace bx::sqlite
