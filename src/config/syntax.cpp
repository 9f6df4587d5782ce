#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "base/text.h"
#include "config/info.h"
#include "config/problems.h"

namespace bx {

namespace {

constexpr std::size_t max_depth = 8;      // the deepest block a valid file has is the second
constexpr std::size_t max_problems = 50;  // more are only echoes
constexpr std::string_view blanks = " \t\r\v\f";

// Walks the text token by token, as Boost's parser does, and notes what is wrong or suspicious.
class SyntaxCheck {
public:
    explicit SyntaxCheck(const std::string& path) : path_(path) {}

    Syntax run(std::string_view text);

private:
    struct Block {
        std::string name;  // "hook crm-sync"
        std::string key;   // "hook"
        std::size_t line = 0;
    };
    // A key whose value or block is still to come.
    struct Open {
        std::string name;
        std::string key;
        std::string before;  // the key before it in its line
        std::size_t line = 0;
        bool has_value = false;
    };

    void check_line(std::string_view line);
    void take_token(std::string_view& rest);
    void open_block();
    void close_block();
    std::optional<std::string> take_string(std::string_view& rest);
    std::string take_word(std::string_view& rest);
    std::string subject(std::string_view word) const;
    void take_text(const std::string& text);
    void begin_key(const std::string& text);
    void finish_key();
    bool has_free_keys() const;
    void check_end();
    void problem(std::string_view message) { problem_at(line_, message); }
    void problem_at(std::size_t line, std::string_view message) {
        if (problems_.list().size() < max_problems) {
            problems_.add_at(path_, line, message);
        }
    }

    const std::string& path_;
    Problems problems_;
    std::vector<std::size_t> lines_;  // of all keys so far
    std::size_t line_ = 0;
    std::size_t keys_in_line_ = 0;
    bool expects_value_ = false;
    std::optional<Open> open_;
    std::vector<Block> blocks_;
};

Syntax SyntaxCheck::run(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) {
        line_ = 1;
        problem("begins with a byte order mark: save the file as UTF-8 without BOM");
        text.remove_prefix(3);
        line_ = 0;
    }
    for (std::string_view line : split(text, '\n')) {
        ++line_;
        keys_in_line_ = 0;
        check_line(line);
        expects_value_ = false;
        if (blocks_.size() > max_depth) {
            problem("blocks are nested too deep");
            return {std::move(problems_), {}};
        }
    }
    check_end();
    return {std::move(problems_), std::move(lines_)};
}

void SyntaxCheck::check_line(std::string_view line) {
    if (line.find('\0') != std::string_view::npos) return problem("contains a NUL byte");
    std::string_view rest = line;
    for (;;) {
        std::size_t begin = rest.find_first_not_of(blanks);
        if (begin == std::string_view::npos || rest[begin] == ';') return;
        rest.remove_prefix(begin);
        if (rest.front() == '#' && !expects_value_) {
            return problem(rest.starts_with("#include")
                               ? "#include is not supported: write everything into one file"
                               : "comments begin with ';', not with '#'");
        }
        take_token(rest);
    }
}

void SyntaxCheck::take_token(std::string_view& rest) {
    if (rest.front() == '{') {
        rest.remove_prefix(1);
        open_block();
    } else if (rest.front() == '}') {
        rest.remove_prefix(1);
        close_block();
    } else if (rest.front() == '"') {
        if (std::optional<std::string> text = take_string(rest)) take_text(*text);
    } else {
        take_text(take_word(rest));
    }
}

void SyntaxCheck::open_block() {
    expects_value_ = false;
    if (!open_) {
        problem("'{' without a key before it");
        blocks_.push_back({"", "", line_});
        return;
    }
    blocks_.push_back({open_->name, open_->key, line_});
    open_.reset();
    keys_in_line_ = 0;
}

void SyntaxCheck::close_block() {
    finish_key();
    expects_value_ = false;
    if (blocks_.empty()) return problem("'}' without a '{' before it");
    blocks_.pop_back();
}

// The text between the quotes at the front of REST; none when they are never closed.
std::optional<std::string> SyntaxCheck::take_string(std::string_view& rest) {
    constexpr std::string_view escapes = "0abfnrtv\"'\\";
    std::string text;
    std::size_t i = 1;
    for (; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\') {
            ++i;
            if (i < rest.size() && escapes.find(rest[i]) == std::string_view::npos) {
                problem("unknown escape '\\" + printable(rest.substr(i, 1)) +
                        "': a backslash in quotes is written \\\\");
            }
        }
        if (i < rest.size()) text += rest[i];
    }
    if (i >= rest.size()) {
        problem("a quote is not closed on this line");
        rest = {};
        return std::nullopt;
    }
    rest.remove_prefix(i + 1);
    std::size_t next = rest.find_first_not_of(blanks);
    if (next != std::string_view::npos && rest[next] == '\\') {
        problem("a value cannot continue on the next line");
        rest = {};
    } else if (next == 0 && rest[0] != ';' && rest[0] != '{' && rest[0] != '}') {
        problem("put a space after the closing quote");
    }
    return text;
}

std::string SyntaxCheck::take_word(std::string_view& rest) {
    std::size_t end = std::min(rest.find_first_of(" \t\r\v\f;"), rest.size());
    std::string word(rest.substr(0, end));
    rest.remove_prefix(end);
    if (rest.starts_with(';')) {
        problem("';' begins a comment: put a space before it, or put " + subject(word) +
                " in quotes with what follows");
    }
    if (word.find_first_of("\"\\") != std::string::npos) {
        problem(subject(word) + " must be in quotes, with \\\" and \\\\ inside");
    }
    if (std::ranges::count(word, '{') != std::ranges::count(word, '}')) {
        const char brace = word[word.find_first_of("{}")];
        problem(std::string("put a space before ") + brace + " in " + subject(word) +
                ", or put a value that contains braces in quotes");
    }
    return word;
}

// WORD for a message.  A value is not shown: it may be a token.
std::string SyntaxCheck::subject(std::string_view word) const {
    return expects_value_ && open_ ? "the value of " + quoted(open_->key) : quoted(word);
}

void SyntaxCheck::take_text(const std::string& text) {
    if (!expects_value_) return begin_key(text);
    expects_value_ = false;
    if (!open_) return;
    open_->has_value = true;
    open_->name += " " + text;
}

void SyntaxCheck::begin_key(const std::string& text) {
    std::string before;
    if (++keys_in_line_ > 1 && open_) before = open_->key;
    finish_key();
    if (keys_in_line_ > 1 && has_free_keys() && blocks_.back().line != line_) {
        problem("more than one value on the line after " + quoted(before) +
                ": put a value with spaces in quotes");
    }
    lines_.push_back(line_);
    open_ = Open{text, text, before, line_, false};
    expects_value_ = true;
}

// The key before this point gets neither value nor block any more.
void SyntaxCheck::finish_key() {
    if (open_ && !open_->has_value) {
        problem_at(open_->line, open_->before.empty()
                                    ? quoted(open_->key) + " has no value (an empty one is \"\")"
                                    : "unexpected word after " + quoted(open_->before) +
                                          ": " + advice_on_surplus(open_->before));
    }
    open_.reset();
}

// In these blocks any word may be a key, so that a forgotten quote would go unnoticed.
bool SyntaxCheck::has_free_keys() const {
    if (blocks_.empty()) return false;
    const std::string& key = blocks_.back().key;
    return key == "env" || key == "when" || key == "unless";
}

void SyntaxCheck::check_end() {
    finish_key();
    if (blocks_.empty()) return;
    const Block& outer = blocks_.front();
    std::string message = "'}' is missing: the last block opened at top level is " +
                          quoted(outer.name) + " in line " + std::to_string(outer.line);
    if (blocks_.size() > 1) {
        message += ", the innermost still open is " + quoted(blocks_.back().name) + " in line " +
                   std::to_string(blocks_.back().line);
    }
    problem(message);
}

}  // namespace

Syntax check_syntax(std::string_view text, const std::string& path) {
    return SyntaxCheck(path).run(text);
}

}  // namespace bx
