// Words of any bytes, packed one behind the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bx {

void append_word(std::string& out, std::string_view word);
// Takes the first word off PACKED, of which it is a piece; none: it is damaged.
std::optional<std::string_view> take_word(std::string_view& packed);

}  // namespace bx
