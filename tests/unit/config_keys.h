// All keys of the configuration, from the tables that read it.
#pragma once

#include <string>
#include <vector>

#include "config/keys.h"
#include "config/value.h"

namespace bx {

struct ConfigKey {
    std::string path;  // "store", "hook.timeout", "limits.body"
    KeySpec spec;
    std::string fallback;  // its default as a file would write it; of a repeatable key empty
};

template <typename Block>
void append_keys(std::vector<ConfigKey>& all, const std::string& prefix,
                 std::span<const Key<Block>> keys) {
    const Block defaults{};
    for (const Key<Block>& key : keys) {
        const std::vector<KeyValue> values = key.values(defaults);
        all.push_back({prefix + std::string(key.spec.name), key.spec,
                       values.empty() ? "" : format_value(key.spec, values.front())});
    }
}

inline std::vector<ConfigKey> config_keys() {
    std::vector<ConfigKey> all;
    append_keys(all, "", top_keys());
    append_keys(all, "portal.", portal_keys());
    append_keys(all, "app.", app_keys());
    append_keys(all, "post.", post_keys());
    append_keys(all, "rest.", rest_keys());
    append_keys(all, "hook.", hook_keys());
    append_keys(all, "worker.", worker_keys());
    append_keys(all, "limits.", limits_keys());
    append_keys(all, "retention.", retention_keys());
    append_keys(all, "log.", log_keys());
    return all;
}

}  // namespace bx
