// Base64 (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bx {

std::string encode_base64(std::string_view bytes);

// The reverse; '=' at the end may be missing.  None for what no bytes encode to.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace bx
