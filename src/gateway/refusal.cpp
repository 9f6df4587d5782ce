#include "gateway/refusal.h"

#include <array>
#include <cstddef>

namespace bx {

namespace {

using enum RefusalCode;

// In the order of the enumerators.
constexpr std::array<RefusalSpec, 7> specs{{
    {method_not_allowed, 405, "Method Not Allowed", "method_not_allowed", "events come by POST",
     "Allow: GET, HEAD, POST\r\n"},
    {unsupported_content_type, 415, "Unsupported Media Type", "unsupported_content_type", "", ""},
    {too_large, 413, "Content Too Large", "too_large", "", ""},
    {too_many_fields, 413, "Content Too Large", "too_many_fields", "", ""},
    {malformed, 400, "Bad Request", "malformed", "", ""},
    {invalid_application_token, 403, "Forbidden", "invalid_application_token",
     "the application token is not that of a configured portal", ""},
    {unavailable, 503, "Service Unavailable", "unavailable", "not accepted, try again later",
     "Retry-After: 5\r\n"},  // seconds
}};

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < specs.size(); ++i) {
        if (specs[i].code != static_cast<RefusalCode>(i)) return false;
    }
    return true;
}
static_assert(is_in_order());

}  // namespace

const RefusalSpec& spec_of(RefusalCode code) {
    return specs[static_cast<std::size_t>(code)];
}

}  // namespace bx
