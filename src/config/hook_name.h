// What may name a hook: a block of the config, a file of hooks_dir, the HOOK of N/HOOK.
#pragma once

#include <string>
#include <string_view>

namespace bx {

// Contract: [A-Za-z0-9][A-Za-z0-9._-]*
bool is_hook_name(std::string_view text);

// "two hooks are named 'NAME', so neither runs": how the error begins, before both are named.
std::string two_hooks_named(const std::string& name);

}  // namespace bx
