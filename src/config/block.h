// Reading a block of the configuration by the keys that may stand in it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/info.h"
#include "config/keys.h"
#include "config/problems.h"

namespace bx {

// A key of a block: one with a value, or a block of its own.  PLACE is its path, for messages.
struct BlockKey {
    std::string_view name;
    bool repeatable = false;
    std::function<void(const Setting&, const std::string& place)> read;
};
using BlockKeys = std::vector<BlockKey>;

class BlockReader {
public:
    // Relative paths are below DIR; what is wrong goes to PROBLEMS.
    BlockReader(std::string dir, Problems& problems) : dir_(std::move(dir)), problems_(problems) {}

    // Reads SETTINGS, the block at PLACE: each by the last of KEYS that has its name.
    void read(const std::vector<Setting>& settings, const std::string& place,
              const BlockKeys& keys) const;

    // The keys of TABLE, whose values go to BLOCK.
    template <typename Block>
    BlockKeys keys_of(std::span<const Key<Block>> table, Block& block) const {
        BlockKeys keys;
        for (const Key<Block>& key : table) {
            keys.push_back({key.spec.name, key.spec.repeatable,
                            [this, &key, &block](const Setting& setting, const std::string& place) {
                                const auto value = value_of(key.spec, setting, place);
                                if (value) key.set(block, *value);
                            }});
        }
        return keys;
    }

    // NAME { }, a block of the keys of TABLE and nothing else.
    template <typename Block>
    BlockKey block(std::string_view name, std::span<const Key<Block>> table, Block& block) const {
        return {name, false,
                [this, table, &block](const Setting& setting, const std::string& place) {
                    if (!is_block(setting, place)) return;
                    read(setting.children, place, keys_of(table, block));
                }};
    }

    // None, and noted, when it is not as SPEC wants it.
    std::optional<KeyValue> value_of(const KeySpec& spec, const Setting& setting,
                                     const std::string& place) const;
    // False, and noted, when SETTING is something else.
    bool is_value(const Setting& setting, const std::string& place) const;
    bool is_block(const Setting& setting, const std::string& place) const;

private:
    void unknown_key(const Setting& setting, const Setting* before, const std::string& place,
                     const BlockKeys& keys) const;

    std::string dir_;
    Problems& problems_;
};

// The path of KEY in the block at PLACE, for messages.
std::string join_place(const std::string& place, const std::string& key);

}  // namespace bx
