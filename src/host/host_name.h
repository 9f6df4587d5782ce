// What this machine calls itself.
#pragma once

#include <string>

namespace bx {

std::string host_name();  // "localhost" where it does not say

}  // namespace bx
