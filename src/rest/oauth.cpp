#include "rest/oauth.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "rest/form_request.h"

namespace bx {

namespace {

constexpr std::array<std::string_view, 2> known_servers{"https://oauth.bitrix.info",
                                                        "https://oauth.bitrix24.tech"};
// What Bitrix24 documents for an access token, and the most that is believed.
constexpr Millis usual_life = hour;
constexpr Millis longest_life = day;
constexpr std::size_t max_word = 255;  // bytes of an id, a scope, a status

// The string or number NAME of OBJECT; empty when it has none, or one that fits nowhere.
std::string word_of(const JsonText& object, std::string_view name) {
    const std::optional<JsonText> value = object.find(name);
    const bool is_word = value && (value->type() == JsonText::Type::string ||
                                   value->type() == JsonText::Type::number);
    std::string word = is_word ? value->string() : "";
    const bool fits = word.size() <= max_word && printable(word, max_word) == word;
    return fits ? word : "";
}

std::string token_of(const JsonText& object, std::string_view name) {
    const std::optional<JsonText> value = object.find(name);
    return value && value->type() == JsonText::Type::string ? value->string() : "";
}

bool is_true(const JsonText& object, std::string_view name) {
    const std::optional<JsonText> value = object.find(name);
    if (!value) return false;
    const std::string text = lower(value->string());
    return text == "true" || text == "1" || text == "y";
}

// "crm,task user", or a list of such.
std::vector<std::string> scope_of(const JsonText& object) {
    const std::optional<JsonText> value = object.find("scope");
    if (!value || value->is_null()) return {};
    std::string text = value->is_array() ? "" : value->string();
    for (const JsonText& item : value->items()) text += item.string() + ",";
    std::ranges::replace(text, ' ', ',');
    std::vector<std::string> scope;
    for (const std::string_view word : split(text, ',')) {
        const std::string each = printable(trim(word), max_word);
        const bool is_new = std::ranges::find(scope, each) == scope.end();
        if (!each.empty() && is_new) scope.push_back(each);
    }
    return scope;
}

// Seconds from receipt on, else a moment by a clock that may be hours off ours.
Millis life_of(const JsonText& object, Millis now) {
    const auto number = [&](std::string_view name) {
        return parse_number(word_of(object, name)).value_or(0);
    };
    const std::int64_t in = number("expires_in");
    if (in > 0 && in <= longest_life / second) return in * second;
    const std::int64_t at = number("expires");
    if (at > 0 && at <= longest_life / second) return at * second;  // seconds there too
    const Millis left = at < (std::int64_t{1} << 40) ? at * second - now : 0;
    return left > 0 && left <= longest_life ? left : usual_life;
}

// The client_endpoint of OBJECT into ENDPOINT, or into PROBLEM why it may not be asked.
void read_endpoint(const JsonText& object, const Endpoints& endpoints, std::string& endpoint,
                   std::string& problem) {
    const std::optional<JsonText> value = object.find("client_endpoint");
    const std::string url = value ? value->string() : "";
    if (!endpoints.find(url, problem)) return;
    if (!url.ends_with("/rest/") || url.find_first_of("?#") != std::string::npos) {
        problem = "it is not the address of a portal's REST";
        return;
    }
    endpoint = url;
}

RestResult result_of(const RestAnswer& answer) {
    return {answer.cause, answer.text, answer.may_have_run};
}

RestResult failure(RestCause cause, std::string text) { return {cause, std::move(text), true}; }

// `result` of ANSWER; none, and why in RESULT, without an object there.
std::optional<JsonText> object_of(const RestAnswer& answer, RestResult& result) {
    result = result_of(answer);
    if (!answer.succeeded()) return std::nullopt;
    const std::optional<JsonText> object = answer.find("result");
    if (object && object->is_object()) return object;
    result = failure(RestCause::server, "the answer has no result");
    return std::nullopt;
}

}  // namespace

bool is_token(std::string_view text) {
    constexpr std::string_view others = "._|~-";
    return text.size() >= 8 && text.size() <= 2048 && std::ranges::all_of(text, [&](char c) {
               return is_alphanumeric(c) || others.find(c) != std::string_view::npos;
           });
}

std::vector<std::string> authorization_servers(std::string_view server_endpoint,
                                               const Config& config) {
    std::vector<std::string> trusted(known_servers.begin(), known_servers.end());
    for (const App& app : config.apps) {
        if (!app.server.empty()) trusted.push_back(app.server);
    }
    for (const std::string& server : trusted) {
        if (server_endpoint == server + "/rest/" || server_endpoint == server) return {server};
    }
    return {known_servers.begin(), known_servers.end()};
}

HttpRequest renewal_request(const std::string& server, const App& app,
                            const std::string& refresh_token) {
    return form_request(server + "/oauth/token/", {{"grant_type", "refresh_token"},
                                                   {"client_id", app.client_id},
                                                   {"client_secret", app.client_secret},
                                                   {"refresh_token", refresh_token}});
}

RenewalAnswer renewal_of(HttpOutcome outcome, const App& app, const std::string& refresh_token,
                         const std::string& member_id, const Endpoints& endpoints, Millis now) {
    RenewalAnswer renewal;
    const RestAnswer answer = answer_of(std::move(outcome), {app.client_secret, refresh_token});
    renewal.result = result_of(answer);
    // Of a method it would be an entity; here it is the portal.
    const bool no_portal = answer.cause == RestCause::refused && answer.status == 404;
    if (no_portal) renewal.result.cause = RestCause::portal_gone;
    if (!answer.succeeded()) return renewal;
    const JsonText& json = *answer.json;
    std::string access = token_of(json, "access_token");
    std::string refresh = token_of(json, "refresh_token");
    if (!is_token(access) || !(refresh.empty() || is_token(refresh))) {
        renewal.result = failure(RestCause::server, "the answer has no usable tokens");
    } else if (word_of(json, "member_id") != member_id) {
        renewal.result = failure(RestCause::foreign, "the answer is of another portal");
    } else {
        renewal.access_token = std::move(access);
        renewal.refresh_token = std::move(refresh);
        renewal.expires_in = life_of(json, now);
        renewal.user_id = word_of(json, "user_id");
        renewal.scope = scope_of(json);
        renewal.status = word_of(json, "status");
        read_endpoint(json, endpoints, renewal.client_endpoint, renewal.endpoint_problem);
    }
    return renewal;
}

HttpRequest app_info_request(const std::string& server, const std::string& access_token) {
    return form_request(server + "/rest/app.info", {{"auth", access_token}});
}

AppInfo app_info_of(HttpOutcome outcome, const std::string& access_token,
                    const Endpoints& endpoints) {
    AppInfo info;
    const RestAnswer answer = answer_of(std::move(outcome), {access_token});
    const std::optional<JsonText> object = object_of(answer, info.result);
    if (!object) return info;
    const std::optional<JsonText> install = object->find("install");
    info.client_id = word_of(*object, "client_id");
    info.user_id = word_of(*object, "user_id");
    info.scope = scope_of(*object);
    info.member_id = install ? word_of(*install, "member_id") : "";
    if (info.client_id.empty() || info.member_id.empty()) {
        info.result = failure(RestCause::server, "the answer names no application and no portal");
        return info;
    }
    info.status = word_of(*install, "status");
    info.installed = is_true(*install, "installed");
    read_endpoint(*install, endpoints, info.client_endpoint, info.endpoint_problem);
    return info;
}

HttpRequest profile_request(const std::string& client_endpoint, const std::string& access_token) {
    return form_request(client_endpoint + "profile", {{"auth", access_token}});
}

Profile profile_of(const RestAnswer& answer) {
    Profile profile;
    const std::optional<JsonText> object = object_of(answer, profile.result);
    if (!object) return profile;
    profile.user_id = word_of(*object, "ID");
    profile.admin = is_true(*object, "ADMIN");
    if (profile.user_id.empty()) {
        profile.result = failure(RestCause::server, "the answer names no user");
    }
    return profile;
}

}  // namespace bx
