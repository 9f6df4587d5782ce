#include "rest/method_call.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/url.h"

namespace bx {

namespace {

constexpr std::size_t max_name = 255;  // bytes
constexpr std::string_view json_type = "application/json";

// USER/CODE/ of a webhook's URL.
std::size_t begin_of_code(std::string_view webhook) {
    const std::size_t code = webhook.rfind('/', webhook.size() - 2);
    return webhook.rfind('/', code - 1) + 1;
}

std::string url_of(const MethodCall& call, const Grant& grant) {
    std::string endpoint = grant.endpoint;
    if (call.version_3) {
        const bool is_webhook = grant.token.empty();
        endpoint.insert(is_webhook ? begin_of_code(endpoint) : endpoint.size(), "api/");
    }
    return endpoint + call.method;
}

// The JSON object OBJECT with one more member, the last.
std::string with_member(const std::string& object, std::string_view name,
                        const std::string& value) {
    std::string text = object.substr(0, object.rfind('}'));
    const auto whole = JsonText::parse(object);
    if (whole && !whole->members().empty()) text += ',';
    append_json_string(text, name);
    text += ':';
    append_json_string(text, value);
    return text + "}";
}

}  // namespace

std::vector<std::string> Grant::secrets() const {
    if (!token.empty()) return {token};
    const std::size_t code = endpoint.rfind('/', endpoint.size() - 2) + 1;
    return {endpoint.substr(code, endpoint.size() - 1 - code)};
}

bool is_method_name(std::string_view name) {
    const auto is_allowed = [](char c) {
        return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= max_name && is_alphanumeric(name.front()) &&
           is_alphanumeric(name.back()) && std::ranges::all_of(name, is_allowed) &&
           !lower(name).ends_with(".xml");
}

bool reads_only(std::string_view name) {
    const std::vector<std::string_view> parts = split(name, '.');
    const std::string last = lower(parts.back());
    const bool reads = last == "get" || last == "list" || last == "fields";
    // A controller's name counts letter by letter: calendar.event.get is another method.
    const bool is_queue = lower(name) == "event.offline.get" ||
                          (parts.size() > 2 && last == "get" && parts[parts.size() - 2] == "Event");
    return reads && !is_queue;
}

bool is_taken_by_server(std::string_view name) {
    static constexpr std::array<std::string_view, 7> names{
        "auth", "access_token", "token", "state", "ap", "aplogin", "auth_connector"};
    return std::ranges::find(names, name) != names.end();
}

HttpRequest request_of(const MethodCall& call, const Grant& grant) {
    HttpRequest request{.url = url_of(call, grant), .body = call.body};
    if (call.json || call.version_3) request.content_type = json_type;
    if (!call.idempotency_key.empty()) {
        request.headers.push_back("Idempotency-Key: " + call.idempotency_key);
    }
    if (grant.token.empty()) return request;
    if (call.version_3) {  // what comes with that key is compared with what came before
        request.headers.push_back("Authorization: Bearer " + grant.token);
    } else if (call.json) {
        request.body = with_member(call.body, "auth", grant.token);
    } else {
        // Last: some old methods take their arguments by position.
        *request.body +=
            (call.body.empty() ? "auth=" : "&auth=") + percent_encoded(grant.token, "-._~");
    }
    return request;
}

}  // namespace bx
