#include "config/problems.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/escape.h"
#include "base/shell.h"

namespace bx {

ConfigError::ConfigError(std::vector<Problem> problems)
    : Error(problems.empty() ? "the configuration is invalid" : to_string(problems.front())),
      problems_(std::move(problems)) {}

void Problems::add(std::string_view key, std::string_view message) {
    const Problem problem{Level::error, std::string(key), std::string(message), ""};
    const auto block = blocks_.find(problem.place);
    const std::size_t line = line_ == 0 && block != blocks_.end() ? block->second : line_;
    if (line > 0) return add_at(path_, line, to_string(problem));
    list_.push_back(problem);
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
    constexpr std::array<std::pair<std::string_view, std::string_view>, 16> advice{{
        // A command line in quotes would be the name of a program that is not there.
        {"run", "write each argument of the program as a line 'arg'"},
        {"event", "write each event as a line 'event'"},
        {"events", "write each event as a line 'events'"},
        {"token", "write each token as a line 'token'"},
        {"when", "it needs braces: when { PATH VALUE }"},
        {"unless", "it needs braces: unless { PATH VALUE }"},
        {"env", "it needs braces: env { NAME VALUE }"},
        {"hook", "a hook name has no spaces"},
        {"portal", "it needs braces: portal { KEY VALUE }"},
        {"app", "it needs braces: app { KEY VALUE }"},
        {"rest", "it needs braces: rest { KEY VALUE }"},
        {"defaults", "it needs braces: defaults { KEY VALUE }"},
        {"worker", "it needs braces: worker { KEY VALUE }"},
        {"limits", "it needs braces: limits { KEY VALUE }"},
        {"retention", "it needs braces: retention { KEY VALUE }"},
        {"log", "it needs braces: log { KEY VALUE }"},
    }};
    const auto found = std::ranges::find(advice, key, [](const auto& each) { return each.first; });
    return std::string(found == advice.end() ? "put a value with spaces in quotes" : found->second);
}

}  // namespace bx
