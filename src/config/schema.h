// The keys of the configuration: one table for each block, with type, range and default.  Reading,
// printing and the comparison with the documentation all go by these tables.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace bx {

enum class Kind {
    duration,  // number: milliseconds
    size,      // number: bytes
    number,
    choice,    // number: place in `choices`
    path,      // text: made absolute
    file,      // a path that may be empty
    store,     // a path or a postgresql:// URL
};

struct KeySpec {
    std::string_view name;
    Kind kind = Kind::number;
    std::string_view fallback;     // the default as a file would write it
    std::int64_t min = 0;
    std::int64_t max = 0;
    std::string_view choices = {};  // "no yes"
};

// A value of any kind: numbers in `number`, the rest in `text`.
struct KeyValue {
    std::int64_t number = 0;
    std::string text;
};

// A key and where its value lies in the struct of its block.
template <typename Block>
struct Key {
    KeySpec spec;
    void (*set)(Block&, const KeyValue&);
    KeyValue (*get)(const Block&);
};

std::span<const Key<Config>> top_keys();
std::span<const Key<HookSettings>> hook_keys();
std::span<const Key<Config::Worker>> worker_keys();
std::span<const Key<Config::Limits>> limits_keys();
std::span<const Key<Config::Retention>> retention_keys();
std::span<const Key<LogSettings>> log_keys();

// TEXT as SPEC wants it; paths are relative to DIR.  Empty, and PROBLEM says why, when it is not.
std::optional<KeyValue> parse_value(const KeySpec& spec, const std::string& text,
                                    const std::string& dir, std::string& problem);

// The reverse, not quoted.
std::string format_value(const KeySpec& spec, const KeyValue& value);

}  // namespace bx
