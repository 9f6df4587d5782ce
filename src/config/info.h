// The INFO syntax (Boost.PropertyTree): keys, values and blocks, nothing about their meaning.
// Boost.PropertyTree stays inside info.cpp.
#pragma once

#include <cstddef>
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
    std::size_t line = 0;  // of the key, counted from 1; 0: not known
};

// Parses TEXT; PATH names the file in messages.  Throws ConfigError with every syntax problem, each
// with file and line.
std::vector<Setting> parse_info(const std::string& text, const std::string& path);

// What is wrong with the syntax of a text, and where its keys are.
struct Syntax {
    Problems problems;
    std::vector<std::size_t> lines;  // of each key, in the order of the file
};

// Looks at the syntax of TEXT.  Stricter than Boost's parser, which takes many slips of the pen for
// something else: an unquoted value ends at its first space and the rest becomes a key.
Syntax check_syntax(std::string_view text, const std::string& path);

// VALUE as it must stand in a file: in quotes where it needs them.
std::string info_value(std::string_view value);

}  // namespace bx
