// Small things done with text.  All of them treat bytes; none looks at the locale.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

char lower(char c);  // ASCII only
char upper(char c);
bool is_digit(char c);         // 0-9
bool is_alphanumeric(char c);  // 0-9 A-Z a-z
std::string lower(std::string_view text);
std::string upper(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);  // blanks, tabs, CR, LF at both ends

// Shell glob over the whole of TEXT: * ? [abc] [a-z] [!a]; no escape, '/' is ordinary.  A '['
// that is never closed is itself.  Time is at most the product of the lengths.
bool glob_match(std::string_view glob, std::string_view text, bool ignore_case);

// "64K", "1M", "512" as bytes (1024-based); none when TEXT is no size or over 2^31-1.
std::optional<std::int64_t> parse_size(std::string_view text);

// A whole decimal number without sign; none when it is not one or does not fit.
std::optional<std::int64_t> parse_number(std::string_view text);

// The candidate nearest to WORD in spelling, empty when none is near enough to be meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// ", did you mean 'WORD'?", the end of a message; nothing for an empty WORD.
std::string did_you_mean(std::string_view word);

}  // namespace bx
