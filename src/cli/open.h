// Opening the configuration and the store that a command works on.
#pragma once

#include <memory>

#include "cli/arguments.h"
#include "config/config.h"
#include "host/store_owner.h"
#include "store/store.h"

namespace bx {

// The config that ARGS or the environment point to.  Throws Error with the first problem, its file,
// and how many more there are; of one that is missing or not to be read, what to do about it.
ConfigPtr config_of(const Arguments& args, ConfigPart part);
// Becomes the owner of CONFIG's store and opens it.  Makes it when there is none: a fresh
// installation has none before its first event.  MISSING says what becomes of a directory that is
// missing.  Throws Error.
std::unique_ptr<Store> store_of(const Config& config, Missing missing = Missing::make);

}  // namespace bx
