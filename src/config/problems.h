// The problems found in a file, each as a line for a person.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bx {

class Problems {
public:
    // PLACE is the path of a key ("hook crm-sync: timeout"), or file and line.
    void add(std::string_view place, std::string_view message) {
        list_.push_back(std::string(place) + ": " + std::string(message));
    }
    const std::vector<std::string>& list() const { return list_; }
    bool empty() const { return list_.empty(); }

    // Throws them all as one ConfigError, if there are any.
    void throw_if_any() const;

private:
    std::vector<std::string> list_;
};

// VALUE in single quotes, printable and short, for messages.
std::string quoted(std::string_view value);

// What to do with a word that follows the value of KEY, the end of a message.
std::string advice_on_surplus(std::string_view key);

}  // namespace bx
