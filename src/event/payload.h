// A Tree at rest: how an event's body lies in the store.
//
// The body is kept byte for byte (JSON could not: values need not be UTF-8), in a compact preorder
// encoding of our own, version 1.  Secret values lie apart, so that lists and pages never read them
// and erasing them leaves the rest whole.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "form/tree.h"

namespace bx {

struct Payload {
    std::string body;     // the tree, with a mark where a secret stood (event/secrets.h)
    std::string secrets;  // their values, in order; empty when there is none
};

// Without REFRESH_TOKENS those that is_refresh_key names are left out, keys and values, and an array
// that held nothing else.
Payload encode_payload(const Tree& tree, bool refresh_tokens = true);

// What becomes of the secrets when the tree is read back.
enum class Secrets {
    keep,  // their values, from SECRETS
    hide,  // "***"
    omit,  // keys and values absent: the event after its secrets were erased
};

// The tree of a stored body.  Throws Error when the bytes are not what encode_payload made.
// With `keep`, SECRETS must be what encode_payload gave.
Tree decode_payload(std::string_view body, std::string_view secrets, Secrets secrets_mode);

// One value of a stored body.
struct PayloadValue {
    enum class Kind : std::uint8_t { text, list, object };  // a list is written as a JSON array

    std::string_view key;   // under which it stands in its array; the root's is empty
    std::string_view text;  // of a text
    std::uint32_t depth = 0;  // how many arrays it stands in; 0 is the root
    Kind kind = Kind::list;
    bool secret = false;  // of a text

    bool is_text() const { return kind == Kind::text; }
};
using PayloadValues = std::span<const PayloadValue>;

// The values of a stored body in order, the root first and each array before what is in it.  For
// who goes through all of them once: no tree is built, which is most of the work of decode_payload.
// Keys and texts are pieces of BODY and SECRETS.  Throws as decode_payload does, but does not see
// two values of one name, which encode_payload never makes.
std::vector<PayloadValue> list_payload(std::string_view body, std::string_view secrets,
                                       Secrets secrets_mode);

// The value at a dotted path, as Value::at finds it; null: there is none.  Goes through the values.
const PayloadValue* find_value(PayloadValues values, std::string_view path);
// What is in the array at ARRAY, one of VALUES, at any depth.
PayloadValues values_below(PayloadValues values, const PayloadValue* array);

// What append_tree_json writes of the same tree.
void append_list_json(std::string& out, PayloadValues values);

// The tree as JSON on one line, without the LF: lists as arrays, everything else as objects, all
// scalars strings.  Appended to OUT.
void append_tree_json(std::string& out, const Tree& tree);

}  // namespace bx
