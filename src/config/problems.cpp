#include "config/problems.h"

#include "base/text.h"
#include "config/config.h"

namespace bx {

ConfigError::ConfigError(std::vector<std::string> problems)
    : Error(problems.empty() ? "the configuration is invalid" : problems.front()),
      problems_(std::move(problems)) {}

void Problems::throw_if_any() const {
    if (!list_.empty()) throw ConfigError(list_);
}

std::string quoted(std::string_view value) {
    return "'" + printable(value, 60) + "'";
}

std::string advice_on_surplus(std::string_view key) {
    // A command line in quotes would be the name of a program that is not there.
    if (key == "run") return "an argument of the program stands in a line 'arg'";
    return "put a value with blanks in quotes";
}

}  // namespace bx
