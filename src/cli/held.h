// Why what waits for a disabled hook does not run: no store knows it, since a person may disable a
// hook when its deliveries have long been made.
#pragma once

#include <span>

#include "hooks/hooks.h"
#include "store/records.h"

namespace bx {

// The hooks of CONFIG's file, which may have been read in part only; none where configuration or
// hooks cannot be read: `check` says why.
HookSet hooks_as_they_are(const Config& config);

// Puts the reason of its hook before that of DELIVERY, where it waits for one that is disabled:
// "disabled: ONCRMDEALADD.sh.disabled", "disabled; exit 1".
void explain_held(DeliveryRecord& delivery, const HookSet& hooks);
void explain_held(std::span<ListRow> rows, const HookSet& hooks);

}  // namespace bx
