// The colour that shows a state.
#pragma once

#include "base/problem.h"
#include "cli/terminal/screen.h"
#include "store/records.h"

namespace bx {

Colour colour_of(DeliveryState state);
Colour colour_of(AttemptResult result);
Colour colour_of(const ListRow& row);
Colour colour_of(Level level);

}  // namespace bx
