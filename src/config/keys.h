// The keys of the configuration: one table for each block.  Reading, printing and the comparison
// with the documentation all go by these tables.  The defaults are those of the structs (config.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/value.h"

namespace bx {

// A key and where its value lies in the struct of its block.
template <typename Block>
struct Key {
    KeySpec spec;
    void (*set)(Block&, const KeyValue&);              // adds one when it is repeatable
    std::vector<KeyValue> (*values)(const Block&);     // one, or of a repeatable key all
};

std::span<const Key<Config>> top_keys();
std::span<const Key<Portal>> portal_keys();
std::span<const Key<App>> app_keys();
std::span<const Key<PostBlock>> post_keys();
std::span<const Key<Rest>> rest_keys();
std::span<const Key<HookSettings>> hook_keys();
std::span<const Key<Config::Worker>> worker_keys();
std::span<const Key<Config::Limits>> limits_keys();
std::span<const Key<Config::Retention>> retention_keys();
std::span<const Key<LogSettings>> log_keys();

}  // namespace bx
