// The problems found in the configuration file and the portals file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/problem.h"

namespace bx {

// The configuration is invalid.  what() is the first problem as text; problems() has all of them.
// `place` is the path of a key ("hook crm-sync: timeout") with an empty `fix`, or file and line
// ("/etc/bxhook/portals.txt:17") with the command that opens that file.
class ConfigError : public Error {
public:
    explicit ConfigError(std::vector<Problem> problems);
    const std::vector<Problem>& problems() const { return problems_; }

private:
    std::vector<Problem> problems_;
};

class Problems {
public:
    // KEY is the path of a key of the configuration file: "hook crm-sync: timeout".
    void add(std::string_view key, std::string_view message);
    // In a line of FILE, counted from 1.
    void add_at(const std::string& file, std::size_t line, std::string_view message);

    const std::vector<Problem>& list() const { return list_; }
    bool empty() const { return list_.empty(); }

    // Throws them all as one ConfigError, if there are any.
    void throw_if_any() const;

private:
    std::vector<Problem> list_;
};

// VALUE in single quotes, printable and short, for messages.
std::string quoted(std::string_view value);

// What to do with a word that follows the value of KEY, the end of a message.
std::string advice_on_surplus(std::string_view key);

}  // namespace bx
