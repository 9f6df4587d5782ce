// Opening the configuration and the store that a command works on.
#pragma once

#include <memory>

#include "cli/arguments.h"
#include "config/config.h"
#include "host/owner.h"
#include "store/store.h"

namespace bx {

// The config that ARGS or the environment point to.  Throws Error: the first problem, its file, and
// how many more there are.
ConfigPtr config_of(const Arguments& args, ConfigPart part);
// Becomes the store's owner and opens CONFIG's store, making it (a fresh installation has none
// before its first event), and what becomes of its directory is MISSING.  Throws Error.
std::unique_ptr<Store> store_of(const Config& config, Missing missing = Missing::make);

}  // namespace bx
