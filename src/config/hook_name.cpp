#include "config/hook_name.h"

#include <algorithm>

#include "base/text.h"

namespace bx {

bool is_hook_name(std::string_view text) {
    auto is_allowed = [](char c) {
        return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
    };
    return !text.empty() && is_alphanumeric(text.front()) &&
           std::ranges::all_of(text, is_allowed);
}

std::string two_hooks_named(const std::string& name) {
    return "two hooks are named '" + name + "', so neither runs";
}

}  // namespace bx
