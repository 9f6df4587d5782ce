// A call of a REST method: what is asked, and the request that asks it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rest/answer.h"
#include "rest/http.h"

namespace bx {

struct MethodCall {
    std::string method;  // is_method_name
    // What the method gets: fields of a form, or with `json` the text of a JSON object.
    std::string body{};
    bool json = false;
    // Of REST 3, whose bodies are JSON: the call is done once with a key, however often it comes.
    bool version_3 = false;
    std::string idempotency_key{};
    bool idempotent = false;  // it may be sent again although it may have run
    std::vector<std::string> secrets{};  // of the body: not shown where an answer repeats them
};

// Whose right a call has, and where.
struct Grant {
    Right right = Right::application;
    std::string endpoint;  // "https://host/rest/"; of a webhook with user and code, a secret
    std::string token{};   // the access token; empty: of a webhook

    // What of it must not be shown.
    std::vector<std::string> secrets() const;
};

// 1 to 255 of [A-Za-z0-9._-], a letter or digit first and last: nothing else gets into a URL.  Not
// "NAME.xml", whose answer is no JSON.
bool is_method_name(std::string_view name);

// True where a method of that name changes nothing: its last part is get, list or fields.  Not of
// the queues, whose rows go as they are read: event.offline.get, and *.Event.get of a controller.
bool reads_only(std::string_view name);

// Names of arguments at the top that the server takes for itself, so that no method sees them.
bool is_taken_by_server(std::string_view name);

// The request of CALL with the right of GRANT.
HttpRequest request_of(const MethodCall& call, const Grant& grant);

}  // namespace bx
