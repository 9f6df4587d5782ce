// What a person names: deliveries and hooks.
#pragma once

#include <string>
#include <vector>

#include "hooks/hooks.h"
#include "store/records.h"
#include "store/view.h"

namespace bx {

// NAME with its hook: an event of one delivery needs none.  Throws Error when there is no such
// event or delivery, or when the event has several and NAME has no hook.
DeliveryName complete(View& view, const DeliveryName& name);

// Each name once, in order.
std::vector<std::string> names_of(const HookSet& hooks);

// "there is no hook 'crm-snyc', did you mean 'crm-sync'?", or which hooks there are.
std::string no_hook(const std::string& name, const HookSet& hooks);

}  // namespace bx
