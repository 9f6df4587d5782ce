// The INFO syntax (Boost.PropertyTree): keys, values and blocks, nothing about their meaning.
// Boost.PropertyTree stays inside info.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problems.h"

namespace bx {

// `key value { children }`, in the order of the file, repeated keys kept.
struct Setting {
    std::string key;
    std::string value;
    std::vector<Setting> children;
};

// Parses TEXT; PATH names the file in messages.  Throws ConfigError with every syntax problem, each
// with file and line.
std::vector<Setting> parse_info(const std::string& text, const std::string& path);

// The syntax problems of TEXT.  Stricter than Boost's parser, which takes many slips of the pen for
// something else: an unquoted value ends at its first space and the rest becomes a key.
Problems check_syntax(std::string_view text, const std::string& path);

// VALUE as it must stand in a file: in quotes where it needs them.
std::string info_value(std::string_view value);

}  // namespace bx
