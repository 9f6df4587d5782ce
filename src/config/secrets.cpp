#include "config/secrets.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "base/text.h"
#include "base/url.h"

namespace bx {

namespace {

constexpr std::size_t min_hidden = 6;  // bytes, as in a hook's output

// CODE of "https://host/rest/USER/CODE/"; empty without one.
std::string_view webhook_code(std::string_view webhook) {
    if (webhook.empty()) return {};
    webhook.remove_suffix(1);
    return webhook.substr(webhook.rfind('/') + 1);
}

void add_secret(std::vector<std::string>& secrets, std::string_view secret) {
    if (secret.size() >= min_hidden) secrets.emplace_back(secret);
}

// True where VALUE has the path of such a URL in it, with the user's number and the code.
bool has_webhook(std::string_view value) {
    constexpr std::string_view path = "/rest/";
    const std::size_t begin = value.find(path);
    if (begin == std::string_view::npos) return false;
    const std::string_view user_and_code = value.substr(begin + path.size());
    const std::size_t end = user_and_code.find_first_not_of("0123456789");
    return end != 0 && end < user_and_code.size() && user_and_code[end] == '/' &&
           end + 1 < user_and_code.size();
}

}  // namespace

bool looks_secret(std::string_view variable, std::string_view value) {
    constexpr std::array<std::string_view, 7> marks{"token",  "secret", "passw", "key",
                                                    "cookie", "auth",   "cred"};
    std::string name = lower(variable);
    return has_webhook(value) || std::ranges::any_of(marks, [&](std::string_view mark) {
               return name.find(mark) != std::string::npos;
           });
}

bool names_secret(std::string_view path) {
    constexpr std::array<std::string_view, 4> ends{"token", "secret", "auth_id", "refresh_id"};
    std::string key = lower(path);
    return key.starts_with("cashbox_params.") || key.find(".cashbox_params.") != std::string::npos ||
           std::ranges::any_of(ends, [&](std::string_view end) { return key.ends_with(end); });
}

bool may_hold_secret(std::string_view key) {
    constexpr std::array<std::string_view, 4> others{"store", "webhook", "proxy", "key"};
    return names_secret(key) || std::ranges::find(others, key) != others.end();
}

std::vector<std::string> configured_secrets(const Config& config) {
    std::vector<std::string> secrets = secrets_beside_tokens(config);
    for (const Portal& portal : config.portals) {
        for (const std::string& token : portal.tokens) add_secret(secrets, token);
    }
    return secrets;
}

std::vector<std::string> secrets_beside_tokens(const Config& config) {
    std::vector<std::string> secrets;
    for (const Portal& portal : config.portals) add_secret(secrets, webhook_code(portal.webhook));
    for (const App& app : config.apps) add_secret(secrets, app.client_secret);
    for (const PostBlock& post : config.posts) add_secret(secrets, post.key);
    const auto add_all = [&](const HookSettings& settings) {
        for (const std::string& secret : forward_secrets(settings.env)) add_secret(secrets, secret);
    };
    for (const HookBlock& hook : config.hooks) add_all(hook.settings);
    add_all(config.defaults);
    const std::optional<Url> proxy = parse_url(config.rest.proxy);
    if (proxy && proxy->user) add_secret(secrets, proxy->user->substr(proxy->user->find(':') + 1));
    return secrets;
}

std::vector<std::string> forms_of_secret(const std::string& secret) {
    std::vector<std::string> forms{secret};
    if (secret.starts_with(webhook_prefix)) forms.push_back(secret.substr(webhook_prefix.size()));
    return forms;
}

std::vector<std::string> forward_secrets(
    const std::vector<std::pair<std::string, std::string>>& env) {
    std::vector<std::string> secrets;
    for (const auto& [name, value] : env) {
        if (name != forward_secret) continue;
        for (std::string& form : forms_of_secret(value)) secrets.push_back(std::move(form));
    }
    return secrets;
}

std::string without_secrets(std::string text, std::vector<std::string> secrets) {
    constexpr std::string_view hidden = "***";
    // One may be the beginning of another.
    std::ranges::sort(secrets, std::ranges::greater{}, &std::string::size);
    for (const std::string& secret : secrets) {
        if (secret.empty()) continue;
        for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos;) {
            text.replace(at, secret.size(), hidden);
            at += hidden.size();
        }
    }
    return text;
}

}  // namespace bx
