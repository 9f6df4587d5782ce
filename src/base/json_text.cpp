#include "base/json_text.h"

#include <algorithm>

#include "base/escape.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::string_view blanks = " \t\r\n";

// Walks a text; each take_ is true when what it names stood there, and is passed then.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    std::string_view rest() const { return rest_; }
    bool at_end() const { return rest_.empty(); }
    void skip_blanks() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
    }
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool take(std::string_view word) {
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }
    bool take_string();
    bool take_number();
    bool take_scalar();
    // A whole value: its brackets are counted, not called for.
    bool take_value();

private:
    bool take_escape();
    bool take_digits();
    bool begin_member();
    bool take_to_next(std::string& open);

    std::string_view rest_;
};

bool is_hex(char c) {
    const char low = lower(c);
    return is_digit(c) || (low >= 'a' && low <= 'f');
}

bool Scanner::take_escape() {
    constexpr std::string_view simple = "\"\\/bfnrt";
    if (rest_.empty()) return false;
    if (simple.find(rest_.front()) != std::string_view::npos) return take(rest_.front());
    if (!take('u') || rest_.size() < 4) return false;
    for (int digit = 0; digit < 4; ++digit) {
        if (!is_hex(rest_.front())) return false;
        rest_.remove_prefix(1);
    }
    return true;
}

bool Scanner::take_string() {
    if (!take('"')) return false;
    while (!rest_.empty()) {
        const char c = rest_.front();
        if (static_cast<unsigned char>(c) < ' ') return false;
        rest_.remove_prefix(1);
        if (c == '"') return true;
        if (c == '\\' && !take_escape()) return false;
    }
    return false;
}

bool Scanner::take_digits() {
    const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(end);
    return end > 0;
}

bool Scanner::take_number() {
    take('-');
    if (!take('0') && !take_digits()) return false;
    if (take('.') && !take_digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return take_digits();
}

bool Scanner::take_scalar() {
    if (rest_.starts_with('"')) return take_string();
    return take("null") || take("true") || take("false") || take_number();
}

bool Scanner::begin_member() {
    skip_blanks();
    if (!take_string()) return false;
    skip_blanks();
    return take(':');
}

// From the end of a value to where the next one begins, or to the end of the outermost of OPEN.
bool Scanner::take_to_next(std::string& open) {
    while (!open.empty()) {
        skip_blanks();
        const bool is_object = open.back() == '{';
        if (take(',')) return !is_object || begin_member();
        if (!take(is_object ? '}' : ']')) return false;
        open.pop_back();
    }
    return true;
}

bool Scanner::take_value() {
    std::string open;  // the brackets
    do {
        skip_blanks();
        const bool is_object = rest_.starts_with('{');
        if (is_object || rest_.starts_with('[')) {
            if (open.size() == JsonText::max_depth) return false;
            open += rest_.front();
            rest_.remove_prefix(1);
            skip_blanks();
            if (!rest_.starts_with(is_object ? '}' : ']')) {
                if (is_object && !begin_member()) return false;
                continue;
            }
        } else if (!take_scalar()) {
            return false;
        }
        if (!take_to_next(open)) return false;
    } while (!open.empty());
    return true;
}

// The value at the front of a valid text.
std::string_view value_at(Scanner& scanner) {
    scanner.skip_blanks();
    const std::string_view before = scanner.rest();
    scanner.take_value();
    return before.substr(0, before.size() - scanner.rest().size());
}

unsigned hex_at(std::string_view text, std::size_t at) {
    unsigned code = 0;
    for (char c : text.substr(at, 4)) {
        const char low = lower(c);
        code = code * 16 + static_cast<unsigned>(is_digit(low) ? low - '0' : low - 'a' + 10);
    }
    return code;
}

void append_utf8(std::string& out, char32_t code) {
    const auto byte = [&out](char32_t bits) { out += static_cast<char>(bits); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) {
        byte(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        byte(0xE0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3F));
    } else {
        byte(0xF0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3F));
        byte(0x80 | (code >> 6 & 0x3F));
    }
    byte(0x80 | (code & 0x3F));
}

// Of the \uXXXX at AT in TEXT, or of the pair that begins there; AT is then its last byte.
char32_t unicode_at(std::string_view text, std::size_t& at) {
    constexpr char32_t replacement = 0xFFFD;
    const unsigned first = hex_at(text, at + 1);
    at += 4;
    if (first < 0xD800 || first > 0xDFFF) return first;
    const bool has_second = first < 0xDC00 && text.substr(at + 1, 2) == "\\u";
    const unsigned second = has_second ? hex_at(text, at + 3) : 0;
    if (second < 0xDC00 || second > 0xDFFF) return replacement;
    at += 6;
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

// What the inner of a valid string means.
std::string unescaped(std::string_view text) {
    constexpr std::string_view names = "bfnrt", meant = "\b\f\n\r\t";
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\') {
            out += text[at];
            continue;
        }
        const char c = text[++at];
        const std::size_t name = names.find(c);
        if (c == 'u') append_utf8(out, unicode_at(text, at));
        else out += name == std::string_view::npos ? c : meant[name];
    }
    return out;
}

// Writes a valid text again, value by value, without some members of its objects.
class Copier {
public:
    Copier(std::string_view text, const std::function<bool(std::string_view)>& leave_out)
        : scanner_(text), leave_out_(leave_out) {
        out_.reserve(text.size());
    }

    std::string copy() {
        for (scanner_.skip_blanks(); !scanner_.at_end(); scanner_.skip_blanks()) step();
        return std::move(out_);
    }

private:
    bool is_open(char bracket) const { return scanner_.rest().starts_with(bracket); }

    void step() {
        if (is_open('{') || is_open('[')) {
            begin_value();
            open_ += scanner_.rest().front();
            is_first_ = true;
            take_byte();
        } else if (is_open('}') || is_open(']')) {
            open_.pop_back();
            is_first_ = false;
            take_byte();
        } else if (!scanner_.take(',')) {
            open_.ends_with('{') && name_.empty() ? take_name() : take_scalar();
        }
    }

    void take_byte() {
        out_ += scanner_.rest().front();
        scanner_.take(out_.back());
    }

    // A member's name, and its value too where that is left out.
    void take_name() {
        const std::string_view name = value_at(scanner_);
        scanner_.skip_blanks();
        scanner_.take(':');
        scanner_.skip_blanks();
        const bool is_scalar = !is_open('{') && !is_open('[');
        if (is_scalar && leave_out_(unescaped(name.substr(1, name.size() - 2)))) {
            scanner_.take_scalar();
        } else {
            name_ = name;
        }
    }

    void take_scalar() {
        begin_value();
        out_ += value_at(scanner_);
    }

    void begin_value() {
        if (!is_first_) out_ += ',';
        is_first_ = false;
        if (!name_.empty()) out_.append(name_).append(1, ':');
        name_ = {};
    }

    Scanner scanner_;
    const std::function<bool(std::string_view)>& leave_out_;
    std::string out_;
    std::string open_;             // the brackets
    std::string_view name_;        // of the member whose value comes next; empty: it is no member
    bool is_first_ = true;         // of its array or object
};

}  // namespace

std::optional<JsonText> JsonText::parse(std::string_view text) {
    Scanner scanner(text);
    scanner.skip_blanks();
    const std::string_view before = scanner.rest();
    if (!scanner.take_value()) return std::nullopt;
    const std::string_view value = before.substr(0, before.size() - scanner.rest().size());
    scanner.skip_blanks();
    if (!scanner.at_end() || valid_utf8(value) != value) return std::nullopt;
    return JsonText(value);
}

JsonText::Type JsonText::type() const {
    switch (text_.front()) {
        case '{': return Type::object;
        case '[': return Type::array;
        case '"': return Type::string;
        case 'n': return Type::null;
        case 't':
        case 'f': return Type::boolean;
        default: return Type::number;
    }
}

std::string JsonText::string() const {
    if (type() != Type::string) return std::string(text_);
    return unescaped(text_.substr(1, text_.size() - 2));
}

std::optional<JsonText> JsonText::find(std::string_view name) const {
    std::optional<JsonText> found;
    for (auto& [key, value] : members()) {
        if (key == name) found = value;
    }
    return found;
}

std::vector<std::pair<std::string, JsonText>> JsonText::members() const {
    std::vector<std::pair<std::string, JsonText>> list;
    if (!is_object()) return list;
    Scanner scanner(text_.substr(1));
    for (scanner.skip_blanks(); !scanner.take('}');) {
        std::string key = JsonText(value_at(scanner)).string();
        scanner.skip_blanks();
        scanner.take(':');
        list.emplace_back(std::move(key), JsonText(value_at(scanner)));
        scanner.skip_blanks();
        scanner.take(',');
        scanner.skip_blanks();
    }
    return list;
}

std::vector<JsonText> JsonText::items() const {
    std::vector<JsonText> list;
    if (!is_array()) return list;
    Scanner scanner(text_.substr(1));
    for (scanner.skip_blanks(); !scanner.take(']');) {
        list.push_back(JsonText(value_at(scanner)));
        scanner.skip_blanks();
        scanner.take(',');
        scanner.skip_blanks();
    }
    return list;
}

std::string JsonText::without(
    const std::function<bool(std::string_view name)>& leave_out) const {
    return Copier(text_, leave_out).copy();
}

}  // namespace bx
