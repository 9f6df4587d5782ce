#include "config/block.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/escape.h"
#include "base/text.h"
#include "config/secrets.h"

namespace bx {

namespace {

// Of those that may come several times: one is easily left open.
bool is_block_of_the_top(std::string_view key) {
    constexpr std::array<std::string_view, 4> blocks{"hook", "portal", "app", "post"};
    return std::ranges::find(blocks, key) != blocks.end();
}

}  // namespace

void BlockReader::read(const std::vector<Setting>& settings, const std::string& place,
                       const BlockKeys& keys) const {
    std::set<std::string> seen;
    const Setting* before = nullptr;
    for (const Setting& setting : settings) {
        const Problems::InLine here(problems_, setting.line);
        const auto key = std::find_if(keys.rbegin(), keys.rend(), [&](const BlockKey& each) {
            return each.name == setting.key;
        });
        if (key == keys.rend()) {
            unknown_key(setting, before, place, keys);
        } else {
            // What else is wrong is to be told in one go, of the second too.
            const std::string where = join_place(place, setting.key);
            const bool is_first = seen.insert(setting.key).second;
            if (!is_first && !key->repeatable) problems_.add(where, "is given twice");
            key->read(setting, where);
        }
        before = &setting;
    }
}

std::optional<KeyValue> BlockReader::value_of(const KeySpec& spec, const Setting& setting,
                                              const std::string& place) const {
    if (!is_value(setting, place)) return std::nullopt;
    std::string problem;
    std::optional<KeyValue> value = parse_value(spec, setting.value, dir_, problem);
    if (!value) problems_.add(place, problem);
    return value;
}

bool BlockReader::is_value(const Setting& setting, const std::string& place) const {
    if (!setting.children.empty()) {
        problems_.add(place, "takes a value, not a block");
        return false;
    }
    if (setting.value.find('\0') != std::string::npos) {
        problems_.add(place, "contains a NUL byte");
        return false;
    }
    return true;
}

bool BlockReader::is_block(const Setting& setting, const std::string& place) const {
    if (setting.value.empty()) return true;
    problems_.add(place, "takes a block, not a value: " + advice_on_surplus(setting.key));
    return false;
}

void BlockReader::unknown_key(const Setting& setting, const Setting* before,
                              const std::string& place, const BlockKeys& keys) const {
    std::vector<std::string_view> known;
    for (const BlockKey& key : keys) known.push_back(key.name);
    std::string_view meant = nearest(setting.key, known);
    if (!meant.empty()) {
        problems_.add(join_place(place, printable(setting.key, 60)),
                      "unknown key, did you mean '" + std::string(meant) + "'?");
    } else if (is_block_of_the_top(setting.key)) {
        problems_.add(join_place(place, setting.key),
                      "is not allowed here: is a '}' missing above it?");
    } else if (before != nullptr && before->children.empty()) {
        // The key may be the rest of a secret: not shown.
        const std::string key =
            may_hold_secret(before->key) ? "after " + before->key : printable(setting.key, 60);
        problems_.add(join_place(place, key),
                      "unknown key; if it belongs to the value of '" + before->key +
                          "': " + advice_on_surplus(before->key));
    } else {
        problems_.add(join_place(place, printable(setting.key, 60)), "unknown key");
    }
}

std::string join_place(const std::string& place, const std::string& key) {
    return place.empty() ? key : place + ": " + key;
}

}  // namespace bx
