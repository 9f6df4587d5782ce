// SHA-256 (FIPS 180-4), and HMAC with it (RFC 2104).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bx {

constexpr std::size_t sha256_size = 32;  // bytes

// The digest of TEXT, as that many bytes.
std::string sha256(std::string_view text);

// BYTES as hexadecimal digits.
std::string digits_of(std::string_view bytes);

// The code of TEXT under KEY, as that many bytes.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace bx
