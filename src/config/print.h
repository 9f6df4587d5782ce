// The configuration as a person writes it.
#pragma once

#include <string>

#include "config/config.h"

namespace bx {

// CONFIG as INFO text with every value in force; tokens and other secrets, the passwords of store
// and proxy and variables that look secret as ***.
std::string print_config(const Config& config);

}  // namespace bx
