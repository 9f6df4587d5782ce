// SHA-256 (FIPS 180-4).
#pragma once

#include <string>
#include <string_view>

namespace bx {

constexpr std::size_t sha256_size = 32;  // bytes

// The digest of TEXT, as that many bytes.
std::string sha256(std::string_view text);

// BYTES as hexadecimal digits.
std::string digits_of(std::string_view bytes);

}  // namespace bx
