// The key that a request brings in place of an application_token.
#pragma once

#include <string>

#include "gateway/request.h"

namespace bx {

struct PostKey {
    enum class State { none, one, repeated };  // one: it is in `text`

    State state = State::none;
    std::string text = {};  // a secret
};

// Of the URL's query, `key`, or what the web server set as BXHOOK_KEY; both together are two.  A
// query that PHP would not read, or a `key` that is an array, brings one that is nobody's.
PostKey post_key_of(const Request& request);

}  // namespace bx
