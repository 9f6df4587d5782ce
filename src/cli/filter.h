// The options that choose deliveries: --state, --event, --hook, --portal, --since.
#pragma once

#include <vector>

#include "cli/arguments.h"

namespace bx {

std::vector<Option> filter_options();
// True when ARGS gives one of them.
bool has_filter(const Arguments& args);
// Throws UsageError for an unknown state or a bad time.
ListFilter filter_of(const Arguments& args);

}  // namespace bx
