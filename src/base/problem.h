// Something that is wrong, told to a person who can put it right.
#pragma once

#include <string>
#include <string_view>

namespace bx {

enum class Level { warning, error };

// "warning", "error"
std::string_view name_of(Level level);

struct Problem {
    Level level = Level::error;
    std::string place;    // a file, file and line, a key of the configuration, a process
    std::string message;  // lower case, no full stop; may quote bytes from outside
    std::string fix;      // the shell command that puts it right, or what to do; empty: not known
};

// "PLACE: MESSAGE", or the message alone where there is no place.
std::string to_string(const Problem& problem);

}  // namespace bx
