#include "event/install_post.h"

#include <algorithm>

#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t least_token = 8;
constexpr std::size_t most_token = 2048;
constexpr std::size_t most_server = 255;
constexpr std::int64_t most_seconds = 86400;  // of an hour, as they are; more is a mistake

std::int64_t seconds_in(Value value) {
    const std::int64_t seconds = parse_number(value.text()).value_or(0);
    return seconds <= most_seconds ? seconds : 0;
}

std::string server_in(Value value) {
    const std::string_view text = value.text();
    return std::string(text.size() <= most_server ? text : std::string_view());
}

// Of a page, whose fields decide who it is of.
std::string field(Value root, std::string_view name) {
    const Value value = root[name];
    if (value.is_array()) throw BadEvent("'" + std::string(name) + "' is an array");
    if (value && value.rewritten()) throw BadEvent("'" + std::string(name) + "' comes twice");
    return std::string(value.text());
}

}  // namespace

bool is_rest_token(std::string_view text) {
    const auto fits = [](char c) {
        return is_alphanumeric(c) || std::string_view("._|~-").find(c) != std::string_view::npos;
    };
    return text.size() >= least_token && text.size() <= most_token &&
           std::ranges::all_of(text, fits);
}

bool PostedTokens::whole() const { return is_rest_token(access) && is_rest_token(refresh); }

PostedTokens posted_tokens(const Tree& body) {
    const Value auth = body.root()["auth"];
    return {std::string(auth["access_token"].text()), std::string(auth["refresh_token"].text()),
            seconds_in(auth["expires_in"]), server_in(auth["server_endpoint"])};
}

bool is_app_page(Value body) { return !body["event"] && body["AUTH_ID"] && body["member_id"]; }

AppPage read_app_page(const Tree& body) {
    const Value root = body.root();
    AppPage page;
    field(root, "member_id");
    page.member_id = read_portal_name(root["member_id"], "member_id");
    page.tokens = {field(root, "AUTH_ID"), field(root, "REFRESH_ID"),
                   seconds_in(root["AUTH_EXPIRES"]), server_in(root["SERVER_ENDPOINT"])};
    page.key = field(root, "APPLICATION_TOKEN");
    page.by_auth_id = page.key.empty();
    if (page.by_auth_id) page.key = page.tokens.access;
    page.is_default = field(root, "PLACEMENT") == "DEFAULT";
    return page;
}

}  // namespace bx
