// The help texts.
#pragma once

#include <string>

#include "cli/command.h"

namespace bx {

// The text of `bxhook help`, and of `bxhook help COMMAND`.
std::string help_text();
std::string help_text(const Command& command);

}  // namespace bx
