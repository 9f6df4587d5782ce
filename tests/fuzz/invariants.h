// What holds for every decoded tree, whatever it was decoded from.
#pragma once

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "event/payload.h"

namespace bx {

inline void require(bool holds) {
    if (!holds) std::abort();
}

// TREE as JSON, which is valid; and the payload made of it reads back as the same tree, and
// lists as it.
inline std::string checked_json(const Tree& tree) {
    std::string json;
    append_tree_json(json, tree);
    require(nlohmann::json::accept(json));

    const Payload payload = encode_payload(tree);
    const Tree back = decode_payload(payload.body, payload.secrets, Secrets::keep);
    const Payload again = encode_payload(back);
    require(again.body == payload.body && again.secrets == payload.secrets);
    std::string json_again;
    append_tree_json(json_again, back);
    require(json_again == json);
    std::string listed;
    append_list_json(listed, list_payload(payload.body, payload.secrets, Secrets::keep));
    require(listed == json);

    decode_payload(payload.body, {}, Secrets::hide);
    decode_payload(payload.body, {}, Secrets::omit);
    return json;
}

}  // namespace bx
