// JSON bodies: nlohmann-json reads (its SAX reader keeps no stack of ours), this builds the Tree.
#include "form/json_form.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bx {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The number, by JSON's grammar, that TEXT begins with; empty when there is none.
std::string_view number_at(std::string_view text) {
    const auto digits_end = [text](std::size_t at) {
        while (at < text.size() && is_digit(text[at])) ++at;
        return at;
    };
    const std::size_t begin = text.starts_with('-') ? 1 : 0;
    std::size_t end = text.substr(begin).starts_with('0') ? begin + 1 : digits_end(begin);
    if (end == begin) return {};
    if (end < text.size() && text[end] == '.') {
        const std::size_t fraction = digits_end(end + 1);
        if (fraction > end + 1) end = fraction;
    }
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        const bool has_sign =
            end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-');
        const std::size_t from = end + (has_sign ? 2 : 1);
        const std::size_t exponent = digits_end(from);
        if (exponent > from) end = exponent;
    }
    return text.substr(0, end);
}

// A double, which the reader makes of each number, has room for it.
bool is_small(std::string_view number) {
    const std::size_t e = std::min(number.find_first_of("eE"), number.size());
    return e < 200 && number.size() - e < 4;  // at most 1e99 times 200 digits
}

// BODY with every number too large for the reader as a string, which means the same to us; where
// the quotes were put goes to QUOTES.  A number where a key belongs is left alone: it stays wrong.
std::string quote_large_numbers(std::string_view body, std::vector<std::size_t>& quotes) {
    std::string out;
    std::size_t copied = 0;
    for (std::size_t at = 0; at < body.size();) {
        if (body[at] == '"') {
            for (++at; at < body.size() && body[at] != '"'; ++at) {
                if (body[at] == '\\') ++at;
            }
            ++at;
            continue;
        }
        const std::string_view number = number_at(body.substr(at));
        if (number.empty() || is_small(number)) {
            at += std::max<std::size_t>(number.size(), 1);
            continue;
        }
        const std::size_t end = at + number.size();
        const std::size_t next = body.find_first_not_of(" \t\r\n", end);
        if (next == body.npos || body[next] != ':') {
            out.append(body.substr(copied, at - copied));
            quotes.push_back(out.size());
            out.append("\"").append(number);
            quotes.push_back(out.size());
            out.append("\"");
            copied = end;
        }
        at = end;
    }
    return out.append(body.substr(std::min(copied, body.size())));
}

// Of the containers that are open, where each stands and which index its next element gets.
// A value without content (null, an empty container) is dropped, and so is what holds nothing else.
class JsonReader : public nlohmann::json_sax<nlohmann::json> {
public:
    // QUOTES are where quotes were put into the body.
    JsonReader(Tree& tree, const FormLimits& limits, const std::vector<std::size_t>& quotes)
        : tree_(tree), limits_(limits), quotes_(quotes) {}

    bool null() override {
        tree_.drop(next_value());
        count_field();
        return true;
    }

    bool boolean(bool yes) override { return text(yes ? "1" : "0"); }

    // The reader takes this way only for numbers with a '-': zero was written "-0".
    bool number_integer(number_integer_t number) override {
        return text(number == 0 ? "-0" : std::to_string(number));
    }

    bool number_unsigned(number_unsigned_t number) override { return text(std::to_string(number)); }

    bool number_float(number_float_t, const string_t& literal) override { return text(literal); }

    bool string(string_t& value) override { return text(value); }

    bool binary(binary_t&) override { return false; }  // not of JSON

    bool start_object(std::size_t) override { return open(false); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        if (name.find('\0') != string_t::npos) {
            throw FormError::malformed("a key of the JSON body holds NUL");
        }
        key_ = tree_.add_key(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
        // The library's own text quotes the body, which may hold a secret.
        const auto added =
            static_cast<std::size_t>(std::ranges::lower_bound(quotes_, position) - quotes_.begin());
        throw FormError::malformed("a syntax error in the JSON body at byte " +
                                   std::to_string(position - added));
    }

private:
    struct Container {
        Place place;
        bool is_list;
        std::uint32_t elements = 0;  // dropped ones too: an index is a position
    };

    bool text(std::string_view value) {
        const Place place = next_value();
        count_field();
        tree_.set_text(place, tree_.add_text(value));
        return true;
    }

    bool open(bool is_list) {
        if (containers_.empty()) {
            if (is_list) throw not_an_object();
            containers_.push_back({Tree::root_place, is_list});
            return true;
        }
        if (containers_.size() > limits_.depth) {
            throw FormError::too_deep(limits_.depth);
        }
        const Place place = next_value();
        if (!tree_.is_fresh(place)) tree_.clear(place);  // the last of a repeated key wins
        containers_.push_back({place, is_list});
        return true;
    }

    bool close() {
        const Place place = containers_.back().place;
        if (containers_.back().elements == 0) count_field();
        containers_.pop_back();
        if (containers_.empty()) return true;
        if (!tree_.value(place).first()) tree_.drop(place);
        return true;
    }

    // The place of the value that begins here.
    Place next_value() {
        if (containers_.empty()) throw not_an_object();
        Container& container = containers_.back();
        const std::uint32_t position = container.elements++;
        if (!container.is_list) return tree_.child(container.place, key_);
        return tree_.append(container.place, tree_.add_key(std::to_string(position)));
    }

    void count_field() {
        if (++fields_ > limits_.fields) throw FormError::too_many_fields(fields_, limits_.fields);
    }

    static FormError not_an_object() { return FormError::malformed("JSON body is not an object"); }

    Tree& tree_;
    const FormLimits& limits_;
    const std::vector<std::size_t>& quotes_;
    std::vector<Container> containers_;
    Tree::Slice key_;
    std::size_t fields_ = 0;
};

}  // namespace

Tree decode_json(const std::string& body, const FormLimits& limits) {
    // Never right in JSON, but to the reader the end of it, whatever comes after.
    if (body.find('\0') != std::string::npos) {
        throw FormError::malformed("JSON body holds a NUL byte");
    }
    Tree tree;
    // Behind each value but the last there is a comma, or it is the only one of its container.
    const auto commas = static_cast<std::size_t>(std::count(body.begin(), body.end(), ','));
    tree.reserve(std::min(commas, limits.fields) + 1);
    tree.buffer().reserve(body.size());
    std::vector<std::size_t> quotes;
    const std::string readable = quote_large_numbers(body, quotes);
    JsonReader reader(tree, limits, quotes);
    nlohmann::json::sax_parse(readable, &reader);
    return tree;
}

}  // namespace bx
