// Subscriptions of an application on a portal.
#pragma once

#include <string>
#include <string_view>

#include "rest/answer.h"
#include "rest/http.h"

namespace bx {

// To ask that EVENT be posted to HANDLER, an absolute URL, and no more; at CLIENT_ENDPOINT, with
// the access token of an administrator.
HttpRequest bind_request(const std::string& client_endpoint, const std::string& access_token,
                         std::string_view event, const std::string& handler);
HttpRequest unbind_request(const std::string& client_endpoint, const std::string& access_token,
                           std::string_view event, const std::string& handler);

// What came of either.  That it is so already is success.
RestAnswer binding_of(HttpOutcome outcome, const std::string& access_token);

}  // namespace bx
