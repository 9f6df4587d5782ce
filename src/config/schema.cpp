#include "config/schema.h"

#include <array>
#include <type_traits>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "config/problems.h"

namespace bx {

namespace {

template <auto Member>
struct MemberOf;

template <typename B, typename T, T B::*Member>
struct MemberOf<Member> {
    using Block = B;
    using Type = T;
};

// A key whose value is the member MEMBER of its block.
template <auto Member>
constexpr auto key(KeySpec spec) {
    using Block = typename MemberOf<Member>::Block;
    using Type = typename MemberOf<Member>::Type;
    if constexpr (std::is_same_v<Type, std::string>) {
        return Key<Block>{
            spec, [](Block& block, const KeyValue& value) { block.*Member = value.text; },
            [](const Block& block) { return KeyValue{0, block.*Member}; }};
    } else {
        return Key<Block>{spec,
                          [](Block& block, const KeyValue& value) {
                              block.*Member = static_cast<Type>(value.number);
                          },
                          [](const Block& block) {
                              return KeyValue{static_cast<std::int64_t>(block.*Member), {}};
                          }};
    }
}

// Long enough for everybody, short enough that a moment plus it cannot overflow.
constexpr Millis year = 365 * day;

constexpr std::int64_t kilobyte = 1024;
constexpr std::int64_t megabyte = 1024 * kilobyte;

constexpr std::string_view no_yes = "no yes";

constexpr std::array top_table{
    key<&Config::store>({"store", Kind::store, "state/queue.db"}),
    key<&Config::hooks_dir>({"hooks_dir", Kind::path, "hooks"}),
    key<&Config::portals_file>({"portals", Kind::path, ""}),
};

constexpr std::array hook_table{
    key<&HookSettings::timeout>({"timeout", Kind::duration, "60s", 1, year}),
    key<&HookSettings::attempts>({"attempts", Kind::number, "12", 1, 100000}),
    key<&HookSettings::backoff>({"backoff", Kind::duration, "15s", 1, year}),
    key<&HookSettings::backoff_max>({"backoff_max", Kind::duration, "6h", 1, year}),
    key<&HookSettings::concurrency>({"concurrency", Kind::number, "4", 1, 1000}),
    key<&HookSettings::order>({"order", Kind::choice, "entity", 0, 0, "entity none"}),
    key<&HookSettings::coalesce>({"coalesce", Kind::choice, "no", 0, 0, no_yes}),
    key<&HookSettings::delay>({"delay", Kind::duration, "0s", 0, year}),
    key<&HookSettings::dir>({"dir", Kind::file, ""}),
    key<&HookSettings::disabled>({"disabled", Kind::choice, "no", 0, 0, no_yes}),
};

constexpr std::array worker_table{
    key<&Config::Worker::auto_start>({"start", Kind::choice, "auto", 0, 0, "manual auto"}),
    key<&Config::Worker::concurrency>({"concurrency", Kind::number, "4", 1, 1000}),
    key<&Config::Worker::shutdown_grace>({"shutdown_grace", Kind::duration, "30s", 0, year}),
};

constexpr std::array limits_table{
    key<&Config::Limits::body>({"body", Kind::size, "1M", 1, 128 * megabyte}),
    key<&Config::Limits::fields>({"fields", Kind::number, "1000", 1, 10000000}),
    key<&Config::Limits::depth>({"depth", Kind::number, "64", 1, 1000}),
    key<&Config::Limits::queue>({"queue", Kind::number, "1000000", 1, 1000000000}),
    key<&Config::Limits::output>({"output", Kind::size, "64K", kilobyte, 64 * megabyte}),
};

constexpr std::array retention_table{
    key<&Config::Retention::done>({"done", Kind::duration, "7d", 0, 100 * year}),
    key<&Config::Retention::dead>({"dead", Kind::duration, "90d", 1, 100 * year}),
};

constexpr std::array log_table{
    key<&LogSettings::level>({"level", Kind::choice, "info", 0, 0, "debug info warning error"}),
    key<&LogSettings::json>({"format", Kind::choice, "text", 0, 0, "text json"}),
    key<&LogSettings::file>({"file", Kind::file, ""}),
};

std::optional<KeyValue> parse_choice(const KeySpec& spec, const std::string& text,
                                     std::string& problem) {
    std::vector<std::string_view> choices = split(spec.choices, ' ');
    for (std::size_t i = 0; i < choices.size(); ++i) {
        if (choices[i] == text) return KeyValue{static_cast<std::int64_t>(i), {}};
    }
    problem = quoted(text) + " must be one of: " + std::string(spec.choices);
    return std::nullopt;
}

// What a number of SPEC looks like, for messages.
std::string example(const KeySpec& spec) {
    if (spec.kind == Kind::duration) return "duration (" + std::string(duration_examples) + ")";
    if (spec.kind == Kind::size) return "size (64K 1M)";
    return "whole number";
}

std::optional<KeyValue> parse_quantity(const KeySpec& spec, const std::string& text,
                                       std::string& problem) {
    std::optional<std::int64_t> number;
    if (spec.kind == Kind::duration) {
        number = parse_duration(text);
    } else {
        number = spec.kind == Kind::size ? parse_size(text) : parse_number(text);
    }
    if (!number) {
        problem = quoted(text) + " is no " + example(spec);
    } else if (*number == 0 && spec.min > 0) {
        problem = quoted(text) + " is not allowed: it must be more than 0";
    } else if (*number < spec.min) {
        problem = quoted(text) + " is too small: at least " + format_value(spec, {spec.min, {}});
    } else if (*number > spec.max) {
        problem = quoted(text) + " is too large: at most " + format_value(spec, {spec.max, {}});
    } else {
        return KeyValue{*number, {}};
    }
    return std::nullopt;
}

std::optional<KeyValue> parse_store(const std::string& text, const std::string& dir,
                                    std::string& problem) {
    if (is_store_url(text)) return KeyValue{0, text};
    // Not shown: such a URL may carry a password.
    if (text.find("://") != std::string::npos) {
        problem = "is no kind of store: a path, or postgresql://...";
        return std::nullopt;
    }
    if (trim(text).empty() || text.ends_with('/')) {
        problem = quoted(text) + " is no path of a file";
        return std::nullopt;
    }
    return KeyValue{0, absolute_path(dir, text)};
}

std::string size_text(std::int64_t bytes) {
    if (bytes > 0 && bytes % megabyte == 0) return std::to_string(bytes / megabyte) + "M";
    if (bytes > 0 && bytes % kilobyte == 0) return std::to_string(bytes / kilobyte) + "K";
    return std::to_string(bytes);
}

}  // namespace

std::span<const Key<Config>> top_keys() { return top_table; }
std::span<const Key<HookSettings>> hook_keys() { return hook_table; }
std::span<const Key<Config::Worker>> worker_keys() { return worker_table; }
std::span<const Key<Config::Limits>> limits_keys() { return limits_table; }
std::span<const Key<Config::Retention>> retention_keys() { return retention_table; }
std::span<const Key<LogSettings>> log_keys() { return log_table; }

std::optional<KeyValue> parse_value(const KeySpec& spec, const std::string& text,
                                    const std::string& dir, std::string& problem) {
    switch (spec.kind) {
        case Kind::choice: return parse_choice(spec, text, problem);
        case Kind::store: return parse_store(text, dir, problem);
        case Kind::file:
            if (text.empty()) return KeyValue{};
            [[fallthrough]];
        case Kind::path:
            if (!trim(text).empty()) return KeyValue{0, absolute_path(dir, text)};
            problem = "is blank";
            return std::nullopt;
        case Kind::duration:
        case Kind::size:
        case Kind::number: break;
    }
    return parse_quantity(spec, text, problem);
}

std::string format_value(const KeySpec& spec, const KeyValue& value) {
    switch (spec.kind) {
        case Kind::duration: return duration_text(value.number);
        case Kind::size: return size_text(value.number);
        case Kind::number: return std::to_string(value.number);
        case Kind::choice:
            return std::string(split(spec.choices, ' ').at(static_cast<std::size_t>(value.number)));
        case Kind::path:
        case Kind::file:
        case Kind::store: break;
    }
    return value.text;
}

}  // namespace bx
