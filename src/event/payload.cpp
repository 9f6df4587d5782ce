#include "event/payload.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "event/secrets.h"

namespace bx {

namespace {

// The encoding, version 1.  A body is the version byte and one record for each scalar and each
// empty array, in order:
//
//   shared  number of leading keys it has in common with the record before (their array is open)
//   length  bytes of the keys that follow, each with a NUL before it
//   keys
//   kind    of the value and, of a text, its length: length * 4 + kind
//   text
//
// Numbers are base 128, low bits first, the top bit set on all bytes but the last.  Secrets are the
// version byte and for each secret its length and bytes.  Another encoding is another version, and
// decode_payload reads the old ones as long as stores may hold them.
constexpr char version = 1;

enum class Kind : std::uint8_t { text = 0, secret = 1, empty_array = 2 };

void append_number(std::string& out, std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
    out += static_cast<char>(number);
}

Error damaged() {
    return Error("a stored event is damaged: its body does not decode");
}

struct Record {
    std::uint64_t shared;
    std::size_t keys, keys_end;  // in the body; at least one key
    Kind kind;
    std::uint64_t length;        // of a text
};

class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    void expect_version() {
        if (at_end() || bytes_[at_++] != version) {
            throw Error("a stored event is of an encoding this version does not know");
        }
    }

    bool at_end() const { return at_ == bytes_.size(); }

    std::uint64_t number() {
        std::uint64_t number = 0;
        for (unsigned shift = 0; shift < 63; shift += 7) {
            if (at_end()) throw damaged();
            const auto byte = static_cast<unsigned char>(bytes_[at_++]);
            number |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return number;
        }
        throw damaged();
    }

    // Where the next LENGTH bytes are; they are passed.
    std::size_t skip(std::uint64_t length) {
        if (length > bytes_.size() - at_) throw damaged();
        const std::size_t begin = at_;
        at_ += static_cast<std::size_t>(length);
        return begin;
    }

    std::string_view text(std::uint64_t length) {
        return bytes_.substr(skip(length), static_cast<std::size_t>(length));
    }
    std::string_view text() { return text(number()); }

    // Up to a text's text, which is next.
    Record record() {
        Record record;
        record.shared = number();
        const std::uint64_t length = number();
        record.keys = skip(length);
        record.keys_end = at_;
        if (length == 0 || bytes_[record.keys] != '\0') throw damaged();
        const std::uint64_t number_of_kind = number();
        record.kind = static_cast<Kind>(number_of_kind % 4);
        record.length = number_of_kind / 4;
        return record;
    }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

Tree::Slice slice(std::size_t begin, std::size_t length) {
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(length)};
}

// Builds the tree in a copy of the body, keys and texts where they lie.
class Decoder {
public:
    Decoder(std::string_view body, std::string_view secrets, Secrets mode)
        : body_(body), secrets_(secrets), mode_(mode), tree_(std::string(body)) {
        if (mode_ == Secrets::hide) hidden_ = tree_.add_text("***");
    }

    Tree decode() {
        body_.expect_version();
        if (mode_ == Secrets::keep && !secrets_.at_end()) secrets_.expect_version();
        while (!body_.at_end()) read_record();
        if (mode_ == Secrets::keep && !secrets_.at_end()) throw damaged();
        return std::move(tree_);
    }

private:
    void read_record() {
        const Record record = body_.record();
        if (record.shared >= open_.size()) throw damaged();
        open_.resize(static_cast<std::size_t>(record.shared) + 1);
        if (record.kind == Kind::secret && mode_ == Secrets::omit) {
            omit(record.keys, record.keys_end);
        } else {
            set(enter(record.keys, record.keys_end), record.kind, record.length);
        }
    }

    // Goes from the last open array along the keys in [AT, END), opening the arrays between.  A
    // record's keys lead to something new: each key behind a new one is new too.
    Place enter(std::size_t at, std::size_t end) {
        Place place = open_.back();
        for (bool first = true; at < end; first = false) {
            if (!first) open_.push_back(place);
            const std::size_t begin = at + 1;
            at = std::min(tree_.buffer().find('\0', begin), end);
            place = tree_.child(place, slice(begin, at - begin));
            if (!tree_.is_fresh(place)) throw damaged();
        }
        return place;
    }

    void set(Place place, Kind kind, std::uint64_t length) {
        switch (kind) {
            case Kind::text:
                tree_.set_text(place, slice(body_.skip(length), static_cast<std::size_t>(length)));
                return;
            case Kind::secret:
                tree_.set_text(place,
                               mode_ == Secrets::hide ? hidden_ : tree_.add_text(secrets_.text()));
                return;
            case Kind::empty_array:
                tree_.set_array(place);
                return;
        }
        throw damaged();
    }

    // The arrays on the way to a secret stay, be they empty.
    void omit(std::size_t keys, std::size_t end) {
        const std::size_t last = tree_.buffer().rfind('\0', end - 1);
        if (last == keys) return;
        const Place array = enter(keys, last);
        tree_.set_array(array);
        open_.push_back(array);
    }

    Reader body_;
    Reader secrets_;
    Secrets mode_;
    Tree tree_;
    Tree::Slice hidden_;
    std::vector<Place> open_{Tree::root_place};  // the arrays of the record before
};

// Lists the values where they lie in the body.
class Lister {
public:
    Lister(std::string_view body, std::string_view secrets, Secrets mode)
        : bytes_(body), body_(body), secrets_(secrets), mode_(mode) {
        values_.reserve(32);  // more than most events have
        values_.emplace_back();
        open_.push_back({0, 0});
    }

    std::vector<PayloadValue> list() {
        body_.expect_version();
        if (mode_ == Secrets::keep && !secrets_.at_end()) secrets_.expect_version();
        while (!body_.at_end()) read_record();
        if (mode_ == Secrets::keep && !secrets_.at_end()) throw damaged();
        return std::move(values_);
    }

private:
    struct Open {
        std::size_t value;
        std::size_t children;  // so far
    };

    void read_record() {
        const Record record = body_.record();
        if (record.shared >= open_.size()) throw damaged();
        open_.resize(static_cast<std::size_t>(record.shared) + 1);
        std::size_t begin = record.keys + 1;
        for (;;) {
            const std::size_t end = std::min(bytes_.find('\0', begin), record.keys_end);
            const std::string_view key = bytes_.substr(begin, end - begin);
            if (end == record.keys_end) return add_last(key, record);
            add(key).kind = PayloadValue::Kind::list;
            open_.push_back({values_.size() - 1, 0});
            begin = end + 1;
        }
    }

    void add_last(std::string_view key, const Record& record) {
        switch (record.kind) {
            case Kind::text: {
                PayloadValue& value = add(key);
                value.text = body_.text(record.length);
                value.secret = is_secret_key(key);  // it was none to the version that stored it
                return;
            }
            case Kind::secret: {
                if (mode_ == Secrets::omit) return;
                PayloadValue& value = add(key);
                value.text = mode_ == Secrets::hide ? "***" : secrets_.text();
                value.secret = true;
                return;
            }
            case Kind::empty_array:
                add(key).kind = PayloadValue::Kind::list;
                return;
        }
        throw damaged();
    }

    // An array is a list until a key says otherwise.
    PayloadValue& add(std::string_view key) {
        Open& array = open_.back();
        if (!is_index(key, array.children++)) {
            values_[array.value].kind = PayloadValue::Kind::object;
        }
        PayloadValue& value = values_.emplace_back();
        value.key = key;
        value.depth = static_cast<std::uint32_t>(open_.size());
        value.kind = PayloadValue::Kind::text;
        return value;
    }

    static bool is_index(std::string_view key, std::size_t index) {
        if (key.empty() || key[0] < '0' || key[0] > '9') return false;
        std::array<char, 20> digits;
        const auto end = std::to_chars(digits.begin(), digits.end(), index).ptr;
        return key == std::string_view(digits.begin(), end);
    }

    std::string_view bytes_;
    Reader body_;
    Reader secrets_;
    Secrets mode_;
    std::vector<PayloadValue> values_;
    std::vector<Open> open_;  // the arrays of the record before
};

void append_leaf(Payload& payload, Value leaf, bool in_secret) {
    const std::string_view text = leaf.text();
    if (leaf.is_array()) {
        append_number(payload.body, static_cast<unsigned>(Kind::empty_array));
    } else if (in_secret || is_secret_key(leaf.key())) {
        if (payload.secrets.empty()) payload.secrets += version;
        append_number(payload.body, static_cast<unsigned>(Kind::secret));
        append_number(payload.secrets, text.size());
        payload.secrets += text;
    } else {
        append_number(payload.body, text.size() * 4 + static_cast<unsigned>(Kind::text));
        payload.body += text;
    }
}

}  // namespace

Payload encode_payload(const Tree& tree, bool refresh_tokens) {
    Payload payload;
    payload.body.reserve(1 + tree.bytes());  // near enough
    payload.body += version;
    std::string keys;        // since the last record
    std::size_t depth = 0;   // arrays that are open here
    std::size_t shared = 0;  // and were at the last record
    std::size_t secret = 0;  // at which depth that of a secret branch stands; 0: none is open
    const auto add_key = [&keys](Value value) {
        keys += '\0';
        keys += value.key();
    };
    const auto drop_key = [&keys] { keys.resize(keys.rfind('\0')); };
    const auto append_record = [&](Value leaf) {
        append_number(payload.body, shared);
        append_number(payload.body, keys.size());
        payload.body += keys;
        append_leaf(payload, leaf, secret > 0);
        keys.clear();
        shared = depth;
    };
    walk(
        tree.root(),
        [&](Value array) {
            add_key(array);
            if (!array.first()) append_record(array);
            ++depth;
            if (secret == 0 && is_secret_branch(array.key())) secret = depth;
        },
        [&](Value scalar) {
            if (!refresh_tokens && is_refresh_key(scalar.key())) return;
            add_key(scalar);
            append_record(scalar);
        },
        [&](Value) {
            if (!keys.empty()) drop_key();  // nothing of that array was kept
            if (secret == depth) secret = 0;
            shared = std::min(shared, --depth);
        });
    return payload;
}

Tree decode_payload(std::string_view body, std::string_view secrets, Secrets secrets_mode) {
    return Decoder(body, secrets, secrets_mode).decode();
}

std::vector<PayloadValue> list_payload(std::string_view body, std::string_view secrets,
                                       Secrets secrets_mode) {
    return Lister(body, secrets, secrets_mode).list();
}

const PayloadValue* find_value(PayloadValues values, std::string_view path) {
    const PayloadValue* value = &values.front();
    while (value != nullptr && !path.empty()) {
        const std::size_t dot = std::min(path.find('.'), path.size());
        const std::string_view key = path.substr(0, dot);
        const PayloadValues below = values_below(values, value);
        const auto child = std::ranges::find_if(below, [&](const PayloadValue& each) {
            return each.depth == value->depth + 1 && each.key == key;
        });
        value = child == below.end() ? nullptr : &*child;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return value;
}

PayloadValues values_below(PayloadValues values, const PayloadValue* array) {
    const PayloadValues rest = values.subspan(static_cast<std::size_t>(array - values.data()) + 1);
    const auto end = std::ranges::find_if(
        rest, [array](const PayloadValue& each) { return each.depth <= array->depth; });
    return {rest.begin(), end};
}

void append_list_json(std::string& out, PayloadValues values) {
    JsonWriter json(out);
    std::vector<PayloadValue::Kind> open;  // arrays
    const auto close_to = [&](std::size_t depth) {
        for (; open.size() > depth; open.pop_back()) {
            open.back() == PayloadValue::Kind::list ? json.end_array() : json.end_object();
        }
    };
    for (const PayloadValue& value : values) {
        close_to(value.depth);
        if (!open.empty() && open.back() == PayloadValue::Kind::object) json.key(value.key);
        switch (value.kind) {
            case PayloadValue::Kind::text: json.value(value.text); continue;
            case PayloadValue::Kind::list: json.begin_array(); break;
            case PayloadValue::Kind::object: json.begin_object(); break;
        }
        open.push_back(value.kind);
    }
    close_to(0);
}

void append_tree_json(std::string& out, const Tree& tree) {
    JsonWriter json(out);
    std::vector<char> is_list;  // bools, of the arrays that are open
    const auto begin = [&](Value array) {
        is_list.push_back(array.is_list());
        is_list.back() ? json.begin_array() : json.begin_object();
    };
    const auto end = [&](Value) {
        is_list.back() ? json.end_array() : json.end_object();
        is_list.pop_back();
    };
    const auto key = [&](Value value) {
        if (!is_list.back()) json.key(value.key());
    };
    begin(tree.root());
    walk(
        tree.root(),
        [&](Value array) {
            key(array);
            begin(array);
        },
        [&](Value scalar) {
            key(scalar);
            json.value(scalar.text());
        },
        end);
    end(tree.root());
}

}  // namespace bx
