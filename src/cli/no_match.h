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

// What is configured, whether an event of it came or not.
struct ConfiguredNames {
    std::vector<std::string> hooks{};
    std::vector<std::string> portals{};  // domains and member_ids
};

// Why no row of VIEW matches FILTER: a line for each condition that none meets, with what there is
// instead.  Without a condition: why there is none at all.  Throws StoreError.
std::vector<std::string> why_no_match(View& view, const ListFilter& filter,
                                      const ConfiguredNames& configured);
// Says that on stderr, by the config that ARGS point to, if it can be read.
void tell_no_match(const Arguments& args, View& view, const ListFilter& filter);

}  // namespace bx
