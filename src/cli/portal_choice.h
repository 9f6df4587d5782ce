// The installations that a person's word means.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "store/store.h"

namespace bx {

// Those whose domain or member_id is NAME, at least one.  Throws Error, which begins with COMMAND.
std::vector<Installation> installations_named(Store& store, const std::string& name,
                                              const std::string& command);
// The one of NAME, and of --app where ARGS has it.  Throws Error where there is none, UsageError
// with a list where there are several.
Installation one_installation(const Arguments& args, Store& store, const std::string& name,
                              const std::string& command);

}  // namespace bx
