// The problems found in the configuration file and the portals file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/problem.h"

namespace bx {

// The configuration is invalid.  what() is the first problem as text; problems() has all of them.
// `place` is file and line ("/etc/bxhook/bxhook.conf:17"), `fix` the command that opens that file, and
// of a key the message begins with its path ("hook crm-sync: timeout").  Where the line is not known
// `place` is the path, and `fix` is empty.
class ConfigError : public Error {
public:
    explicit ConfigError(std::vector<Problem> problems);
    const std::vector<Problem>& problems() const { return problems_; }

private:
    std::vector<Problem> problems_;
};

class Problems {
public:
    Problems() = default;
    // Of the configuration file PATH.
    explicit Problems(std::string path) : path_(std::move(path)) {}

    // While it lives what is added by add() is of LINE of the configuration file, counted from 1; 0:
    // not known.
    class InLine {
    public:
        InLine(Problems& problems, std::size_t line)
            : problems_(problems), before_(std::exchange(problems.line_, line)) {}
        ~InLine() { problems_.line_ = before_; }
        InLine(const InLine&) = delete;
        InLine& operator=(const InLine&) = delete;

    private:
        Problems& problems_;
        std::size_t before_;
    };
    // The block PLACE ("portal 2") begins in LINE: for what is added when all blocks were read.
    void note_block(const std::string& place, std::size_t line) { blocks_[place] = line; }

    // KEY is the path of a key of the configuration file: "hook crm-sync: timeout".
    void add(std::string_view key, std::string_view message);
    // In a line of FILE, counted from 1.
    void add_at(const std::string& file, std::size_t line, std::string_view message);

    const std::vector<Problem>& list() const { return list_; }
    bool empty() const { return list_.empty(); }

    // Throws them all as one ConfigError, if there are any.
    void throw_if_any() const;

private:
    std::string path_;
    std::size_t line_ = 0;
    std::unordered_map<std::string, std::size_t> blocks_;
    std::vector<Problem> list_;
};

// VALUE in single quotes, printable and short, for messages.
std::string quoted(std::string_view value);

// What to do with a word that follows the value of KEY, the end of a message.
std::string advice_on_surplus(std::string_view key);

}  // namespace bx
