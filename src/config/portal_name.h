// What may name a portal: its member_id, its domain.
#pragma once

#include <cstddef>

namespace bx {

// At most 255 bytes of [A-Za-z0-9._:-].
constexpr std::size_t max_portal_name = 255;
bool is_portal_name_byte(char c);

}  // namespace bx
