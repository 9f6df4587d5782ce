// A Tree at rest: how an event's body lies in the store.
//
// The body is kept byte for byte (JSON could not: values need not be UTF-8), in a compact preorder
// encoding of our own, version 1.  Secret values lie apart, so that lists and pages never read them
// and erasing them leaves the rest whole.
#pragma once

#include <string>
#include <string_view>

#include "form/tree.h"

namespace bx {

struct Payload {
    std::string body;     // the tree, with a mark where a secret stood (event/secrets.h)
    std::string secrets;  // their values, in order; empty when there is none
};

Payload encode_payload(const Tree& tree);

// What becomes of the secrets when the tree is read back.
enum class Secrets {
    keep,  // their values, from SECRETS
    hide,  // "***"
    omit,  // keys and values absent: the event after its secrets were erased
};

// The tree of a stored body.  Throws Error when the bytes are not what encode_payload made.
// With `keep`, SECRETS must be what encode_payload gave.
Tree decode_payload(std::string_view body, std::string_view secrets, Secrets secrets_mode);

// The tree as JSON on one line, without the LF: lists as arrays, everything else as objects, all
// scalars strings.  Appended to OUT.
void append_tree_json(std::string& out, const Tree& tree);

}  // namespace bx
