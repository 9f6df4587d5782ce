// The kinds of values a key of the configuration can have: how each is read and written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bx {

enum class Kind {
    duration,     // number: milliseconds
    interval,     // number: milliseconds; 0 for `no`
    size,         // number: bytes
    number,
    choice,       // number: place in `choices`
    path,         // text: made absolute
    file,         // a path that may be empty
    store,        // a path or a postgresql:// URL
    portal_name,  // a member_id, a client_id
    host,         // a domain: lower case
    event,        // a glob on the codes of events
    token,        // an application_token: never shown
    secret,       // any other: never shown
    program,      // a name to look for in $PATH, or a path that is made absolute
    url,          // http(s)://host[:port]/path
    server,       // "https://host[:port]", in lower case
    webhook,      // "https://host[:port]/rest/USER/CODE/", the host in lower case: never shown
    post_key,     // of a post block: never shown
    proxy,        // scheme://[user:password@]host[:port]: shown without its password
};

// True where a value is shown as *** alone.
bool is_secret(Kind kind);

struct KeySpec {
    std::string_view name;
    Kind kind = Kind::number;
    std::int64_t min = 0;
    std::int64_t max = 0;
    std::string_view choices = {};  // "no yes"
    bool repeatable = false;        // each time adds a value
};

// A value of any kind: numbers in `number`, the rest in `text`.
struct KeyValue {
    std::int64_t number = 0;
    std::string text = {};
};

// Parses TEXT as SPEC requires; paths are relative to DIR.  None when it is not valid: PROBLEM then
// says why.
std::optional<KeyValue> parse_value(const KeySpec& spec, const std::string& text,
                                    const std::string& dir, std::string& problem);

// The reverse, not quoted.
std::string format_value(const KeySpec& spec, const KeyValue& value);

}  // namespace bx
