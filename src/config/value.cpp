#include "config/value.h"

#include <algorithm>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "config/portal_name.h"
#include "config/problems.h"
#include "config/store_place.h"

namespace bx {

namespace {

constexpr std::int64_t kilobyte = 1024;
constexpr std::int64_t megabyte = 1024 * kilobyte;

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
    if (spec.kind == Kind::duration) return "a duration (" + std::string(duration_examples) + ")";
    if (spec.kind == Kind::size) return "a size (64K 1M)";
    return "a whole number";
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
        problem = quoted(text) + " is not " + example(spec);
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
        problem = "must be a path or a postgresql:// URL";
        return std::nullopt;
    }
    if (trim(text).empty() || text.ends_with('/')) {
        problem = quoted(text) + " is not a file path";
        return std::nullopt;
    }
    return KeyValue{0, absolute_path(dir, text)};
}

bool is_plain(const std::string& text) {
    return std::ranges::none_of(text, [](char c) {
        auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7F;
    });
}

// A word without spaces and control characters.  It may be a secret and is not shown.
std::optional<KeyValue> parse_word(const std::string& text, std::string& problem) {
    if (trim(text).empty()) {
        problem = "is empty";
    } else if (!is_plain(text)) {
        problem = "contains a space or a control character";
    } else {
        return KeyValue{0, text};
    }
    return std::nullopt;
}

// The same for a member_id or domain, which no event could have otherwise.
std::optional<KeyValue> parse_portal_name(const std::string& text, std::string& problem) {
    std::optional<KeyValue> word = parse_word(text, problem);
    if (!word) return std::nullopt;
    if (text.size() > max_portal_name) {
        problem = "is longer than 255 bytes";
    } else if (!std::ranges::all_of(text, is_portal_name_byte)) {
        problem = quoted(text) + " may contain only letters, digits, '.', '_', ':' and '-'";
    } else {
        return word;
    }
    return std::nullopt;
}

std::optional<KeyValue> parse_host(const std::string& text, std::string& problem) {
    if (text.find('/') != std::string::npos) {
        problem = quoted(text) + " must be only the host: some.bitrix24.com";
        return std::nullopt;
    }
    std::optional<KeyValue> name = parse_portal_name(text, problem);
    if (name) name->text = lower(text);
    return name;
}

std::optional<KeyValue> parse_token(const std::string& text, std::string& problem) {
    std::optional<KeyValue> word = parse_word(text, problem);
    if (!word) return std::nullopt;
    if (text.find_first_of("'\"`") != std::string::npos) {
        problem = "contains quotes: write the token without them";
    } else if (text.find('/') != std::string::npos) {
        problem = "is a URL or a path: the token is the application_token (32 letters and "
                  "digits) that Bitrix24 shows with an outgoing webhook";
    } else {
        return word;
    }
    return std::nullopt;
}

std::optional<KeyValue> parse_path(const std::string& text, const std::string& dir,
                                   std::string& problem) {
    if (!trim(text).empty()) return KeyValue{0, absolute_path(dir, text)};
    problem = "is empty";
    return std::nullopt;
}

std::string size_text(std::int64_t bytes) {
    if (bytes > 0 && bytes % megabyte == 0) return std::to_string(bytes / megabyte) + "M";
    if (bytes > 0 && bytes % kilobyte == 0) return std::to_string(bytes / kilobyte) + "K";
    return std::to_string(bytes);
}

}  // namespace

std::optional<KeyValue> parse_value(const KeySpec& spec, const std::string& text,
                                    const std::string& dir, std::string& problem) {
    switch (spec.kind) {
        case Kind::choice: return parse_choice(spec, text, problem);
        case Kind::store: return parse_store(text, dir, problem);
        case Kind::file: return text.empty() ? KeyValue{} : parse_path(text, dir, problem);
        case Kind::path: return parse_path(text, dir, problem);
        case Kind::portal_name: return parse_portal_name(text, problem);
        case Kind::host: return parse_host(text, problem);
        case Kind::token: return parse_token(text, problem);
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
        default: return value.text;
    }
}

}  // namespace bx
