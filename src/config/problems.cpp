#include "config/problems.h"

#include "base/escape.h"
#include "base/shell.h"

namespace bx {

ConfigError::ConfigError(std::vector<Problem> problems)
    : Error(problems.empty() ? "the configuration is invalid" : to_string(problems.front())),
      problems_(std::move(problems)) {}

void Problems::add(std::string_view key, std::string_view message) {
    list_.push_back({Level::error, std::string(key), std::string(message), ""});
}

void Problems::add_at(const std::string& file, std::size_t line, std::string_view message) {
    list_.push_back({Level::error, file + ":" + std::to_string(line), std::string(message),
                     edit_command(file)});
}

void Problems::throw_if_any() const {
    if (!list_.empty()) throw ConfigError(list_);
}

std::string quoted(std::string_view value) {
    return "'" + printable(value, 60) + "'";
}

std::string advice_on_surplus(std::string_view key) {
    // A command line in quotes would be the name of a program that is not there.
    if (key == "run") return "an argument of the program stands in a line 'arg'";
    if (key == "when" || key == "unless") {
        return "it needs braces: " + std::string(key) + " { PATH VALUE }";
    }
    if (key == "env") return "it needs braces: env { NAME VALUE }";
    return "put a value with spaces in quotes";
}

}  // namespace bx
