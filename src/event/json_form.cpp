// JSON bodies: nlohmann-json reads (its SAX reader keeps no stack of ours), this builds the Tree.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "event/form.h"

namespace bx {

namespace {

// Of the containers that are open, where each stands and which index its next element gets.
// A value without content (null, an empty container) is dropped, and so is what holds nothing else.
class JsonReader : public nlohmann::json_sax<nlohmann::json> {
public:
    JsonReader(Tree& tree, const FormLimits& limits) : tree_(tree), limits_(limits) {}

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
                     const nlohmann::detail::exception& error) override {
        // The library's own text quotes the body, which may hold a secret.
        const bool number = error.id == number_overflow;
        throw FormError::malformed(
            std::string(number ? "a number out of range" : "a syntax error") +
            " in the JSON body at byte " + std::to_string(position));
    }

private:
    static constexpr int number_overflow = 406;  // nlohmann's out_of_range: past a double

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
            throw FormError::too_deep(containers_.size(), limits_.depth);
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
    JsonReader reader(tree, limits);
    nlohmann::json::sax_parse(body, &reader);
    return tree;
}

}  // namespace bx
