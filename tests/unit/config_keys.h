// All keys of the configuration, from the tables that read it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/schema.h"

namespace bx {

template <typename Block>
void append_keys(std::vector<std::pair<std::string, KeySpec>>& all, const std::string& prefix,
                 std::span<const Key<Block>> keys) {
    for (const Key<Block>& key : keys) {
        all.emplace_back(prefix + std::string(key.spec.name), key.spec);
    }
}

// With their paths: "store", "hook.timeout", "limits.body".
inline std::vector<std::pair<std::string, KeySpec>> config_keys() {
    std::vector<std::pair<std::string, KeySpec>> all;
    append_keys(all, "", top_keys());
    append_keys(all, "hook.", hook_keys());
    append_keys(all, "worker.", worker_keys());
    append_keys(all, "limits.", limits_keys());
    append_keys(all, "retention.", retention_keys());
    append_keys(all, "log.", log_keys());
    return all;
}

}  // namespace bx
