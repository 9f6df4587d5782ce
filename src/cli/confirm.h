// A question before something that cannot be taken back, or that is done many times over.
#pragma once

#include <string>

#include "cli/arguments.h"

namespace bx {

// The option that answers it: --yes.
Option yes_option();
// Asks QUESTION ("retry 3 dead deliveries?") on the terminal unless ARGS has --yes; anything but y
// or yes is a no.  Throws UsageError where there is no terminal to ask on.
bool is_confirmed(const Arguments& args, const std::string& question);

}  // namespace bx
