// What to say where nothing is found: why, and what there is instead.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"

namespace bx {

// ", did you mean 'crm-sync'?" where one of THERE is like WORD or has it in it; else the first of
// them: "; there are a, b, ..."; empty when there is none.
std::string instead_of(std::string_view word, std::span<const std::string> there);
// "there is no hook 'crm-snyc', did you mean 'crm-sync'?"; HOOKS are those there are.
std::string no_hook(std::string_view name, std::span<const std::string> hooks);

// Why no row of VIEW matches FILTER: a line for each condition that none meets, with what there is
// instead.  Without a condition: why there is none at all.  HOOKS are those that are configured.
// Throws StoreError.
std::vector<std::string> why_no_match(View& view, const ListFilter& filter,
                                      std::span<const std::string> hooks);
// Says that on stderr.  The hooks are those of the config that ARGS point to, if it can be read.
void tell_no_match(const Arguments& args, View& view, const ListFilter& filter);

}  // namespace bx
