#include "config/value.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/url.h"
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
    const std::string duration = "a duration (" + std::string(duration_examples) + ")";
    if (spec.kind == Kind::duration) return duration;
    if (spec.kind == Kind::interval) return duration + " or 'no'";
    if (spec.kind == Kind::size) return "a size (64K 1M)";
    return "a whole number";
}

std::optional<KeyValue> parse_quantity(const KeySpec& spec, const std::string& text,
                                       std::string& problem) {
    std::optional<std::int64_t> number;
    if (spec.kind == Kind::interval && text == "no") return KeyValue{};
    if (spec.kind == Kind::duration || spec.kind == Kind::interval) {
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

std::optional<KeyValue> parse_secret(const std::string& text, std::string& problem) {
    std::optional<KeyValue> word = parse_word(text, problem);
    if (word && text.find_first_of("'\"`") != std::string::npos) {
        problem = "contains quotes: write the secret without them";
        return std::nullopt;
    }
    return word;
}

// Neither longer nor of more bytes than a URL takes as they are.
std::optional<KeyValue> parse_post_key(const std::string& text, std::string& problem) {
    constexpr std::size_t least = 16;
    constexpr std::size_t most = 128;
    const bool fits = std::ranges::all_of(
        text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; });
    if (!fits) {
        problem = "may contain only letters, digits, '_' and '-'";
    } else if (text.size() < least || text.size() > most) {
        problem = "has " + std::to_string(text.size()) +
                  " characters: it must have 16 to 128 ('openssl rand -hex 16' makes one)";
    } else {
        return KeyValue{0, text};
    }
    return std::nullopt;
}

std::optional<KeyValue> parse_event(const std::string& text, std::string& problem) {
    constexpr std::string_view allowed = "._-*?[]!^";
    const bool fits = !text.empty() && std::ranges::all_of(text, [&](char c) {
        return is_alphanumeric(c) || allowed.find(c) != std::string_view::npos;
    });
    if (fits) return KeyValue{0, text};
    const bool is_regex = text.find_first_of("()|\\^$+{}") != std::string::npos;
    problem = quoted(text) + " cannot match any event" +
              (is_regex ? ": use a glob (* ? [..]), not a regular expression" : "");
    return std::nullopt;
}

std::optional<KeyValue> parse_program(const std::string& text, const std::string& dir,
                                      std::string& problem) {
    std::optional<KeyValue> word = parse_word(text, problem);
    if (word && text.find('/') != std::string::npos) word->text = absolute_path(dir, text);
    return word;
}

std::optional<KeyValue> parse_http(const std::string& text, std::string& problem) {
    const std::optional<Url> url = parse_url(text);
    if (url && (url->scheme == "https" || url->scheme == "http") && !url->has_user()) {
        return KeyValue{0, text};
    }
    problem = quoted(text.substr(0, text.find('?'))) + " is not a URL (https://host/path)";
    return std::nullopt;
}

// As Bitrix24 writes it (server_endpoint, which ends in /rest/) or without a path.
std::optional<KeyValue> parse_server(const std::string& text, std::string& problem) {
    const std::optional<Url> url = parse_url(text);
    const std::string after = url ? url->after_host : "";
    const bool is_bare = after.empty() || after == "/" || after == "/rest" || after == "/rest/";
    if (url && url->scheme == "https" && !url->has_user() && is_bare) {
        return KeyValue{0, url->origin()};
    }
    problem = "must be the address of an authorization server: https://host, or https://host:port";
    return std::nullopt;
}

// True for "1/abc/" and what may follow it in a URL that was copied: a method.
bool is_user_and_code(const std::vector<std::string_view>& parts) {
    if (parts.size() < 2 || parts.size() > 4) return false;
    const auto is_word = [](std::string_view part) {
        return !part.empty() && std::ranges::all_of(part, is_alphanumeric);
    };
    const bool is_user = !parts[0].empty() && std::ranges::all_of(parts[0], is_digit);
    return is_user && is_word(parts[1]) && (parts.size() < 4 || parts[3].empty());
}

std::optional<KeyValue> parse_webhook(const std::string& text, std::string& problem) {
    constexpr std::string_view base = "/rest/";
    const std::optional<Url> url = parse_url(text);
    const bool fits = url && url->scheme == "https" && !url->has_user() &&
                      url->after_host.starts_with(base);
    if (fits) {
        std::string_view after = std::string_view(url->after_host).substr(base.size());
        if (after.starts_with("api/")) after.remove_prefix(4);  // of REST 3
        const std::vector<std::string_view> parts = split(after.substr(0, after.find('?')), '/');
        if (is_user_and_code(parts)) {
            return KeyValue{0, url->origin() + std::string(base) + std::string(parts[0]) + "/" +
                                   std::string(parts[1]) + "/"};
        }
    }
    problem = "must be the URL of an incoming webhook, as Bitrix24 shows it: "
              "https://some.bitrix24.com/rest/USER/CODE/";
    return std::nullopt;
}

// Not shown: it may carry a password.
std::optional<KeyValue> parse_proxy(const std::string& text, std::string& problem) {
    constexpr std::array<std::string_view, 6> schemes{"http",    "https",  "socks4",
                                                      "socks4a", "socks5", "socks5h"};
    const std::optional<Url> url = parse_url(text);
    const bool is_bare = url && (url->after_host.empty() || url->after_host == "/");
    if (is_bare && std::ranges::find(schemes, url->scheme) != schemes.end()) {
        return KeyValue{0, text};
    }
    problem = "must be a proxy's URL: http://host:port, or https, socks4, socks4a, socks5, socks5h";
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

bool is_secret(Kind kind) {
    return kind == Kind::token || kind == Kind::secret || kind == Kind::webhook ||
           kind == Kind::post_key;
}

std::optional<KeyValue> parse_value(const KeySpec& spec, const std::string& text,
                                    const std::string& dir, std::string& problem) {
    switch (spec.kind) {
        case Kind::choice: return parse_choice(spec, text, problem);
        case Kind::store: return parse_store(text, dir, problem);
        case Kind::file: return text.empty() ? KeyValue{} : parse_path(text, dir, problem);
        case Kind::path: return parse_path(text, dir, problem);
        case Kind::portal_name: return parse_portal_name(text, problem);
        case Kind::host: return parse_host(text, problem);
        case Kind::event: return parse_event(text, problem);
        case Kind::token: return parse_token(text, problem);
        case Kind::secret: return parse_secret(text, problem);
        case Kind::program: return parse_program(text, dir, problem);
        case Kind::url: return parse_http(text, problem);
        case Kind::server: return parse_server(text, problem);
        case Kind::webhook: return parse_webhook(text, problem);
        case Kind::post_key: return parse_post_key(text, problem);
        case Kind::proxy: return parse_proxy(text, problem);
        case Kind::duration:
        case Kind::interval:
        case Kind::size:
        case Kind::number: break;
    }
    return parse_quantity(spec, text, problem);
}

std::string format_value(const KeySpec& spec, const KeyValue& value) {
    switch (spec.kind) {
        case Kind::interval:
            if (value.number == 0) return "no";
            [[fallthrough]];
        case Kind::duration: return duration_text(value.number);
        case Kind::size: return size_text(value.number);
        case Kind::number: return std::to_string(value.number);
        case Kind::choice:
            return std::string(split(spec.choices, ' ').at(static_cast<std::size_t>(value.number)));
        default: return value.text;
    }
}

}  // namespace bx
