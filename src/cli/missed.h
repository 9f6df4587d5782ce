// The events that a hook missed while its script was gone, could not run, or did not exist yet.
#pragma once

#include <vector>

#include "hooks/hooks.h"
#include "store/records.h"
#include "store/view.h"

namespace bx {

// Of the events that FILTER chooses, by anything but states and hooks, those that HOOK's event and
// rules take and that it has no delivery of; the oldest first.  Events that are not matched yet are
// left out: HOOK gets them by itself.  Throws StoreError.
std::vector<EventNumber> missed_events(View& view, ListFilter filter, const Hook& hook);

}  // namespace bx
