// What a command writes.
#pragma once

#include <string>
#include <string_view>

namespace bx {

// Writes TEXT to stdout; throws Error when it cannot (a full disk must not look like success).
void print(std::string_view text);
// The same for what a program printed: on a terminal made harmless, anywhere else as it is.
void print_foreign(const std::string& text);
bool stdout_is_terminal();
// "bxhook: TEXT" on stderr, of a command that goes on.  Not being able to show it is not a failure.
void remark(const std::string& text);

}  // namespace bx
