#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "base/text.h"
#include "config/config.h"
#include "config/info.h"
#include "config/schema.h"

namespace bx {

namespace {

constexpr std::string_view hidden = "***";

std::string line(int depth, std::string_view key, std::string_view value) {
    return std::string(static_cast<std::size_t>(depth) * 4, ' ') + info_value(key) + " " +
           info_value(value) + "\n";
}

template <typename Block>
std::string lines(int depth, std::span<const Key<Block>> keys, const Block& block) {
    std::string text;
    for (const Key<Block>& key : keys) {
        text += line(depth, key.spec.name, format_value(key.spec, key.get(block)));
    }
    return text;
}

template <typename Block>
std::string plain_block(std::string_view name, std::span<const Key<Block>> keys,
                        const Block& block) {
    return std::string(name) + " {\n" + lines(1, keys, block) + "}\n";
}

std::string settings_text(const HookSettings& settings) {
    std::string text = lines(1, hook_keys(), settings);
    if (settings.env.empty()) return text;
    text += "    env {\n";
    for (const auto& [name, value] : settings.env) {
        text += line(2, name, looks_secret(name) ? hidden : value);
    }
    return text + "    }\n";
}

// True for the path of what an event keeps secret: auth.application_token, data.X.client_secret.
bool names_secret(std::string_view path) {
    constexpr std::array<std::string_view, 4> ends{"token", "secret", "auth_id", "refresh_id"};
    std::string key = lower(path);
    return std::ranges::any_of(ends, [&](std::string_view end) { return key.ends_with(end); });
}

std::string conditions_text(std::string_view key, const std::vector<Condition>& conditions) {
    if (conditions.empty()) return {};
    std::string text = "    " + std::string(key) + " {\n";
    for (const Condition& condition : conditions) {
        text += line(2, condition.path, names_secret(condition.path) ? hidden : condition.glob);
    }
    return text + "    }\n";
}

std::string hook_text(const HookBlock& hook) {
    std::string text = "\nhook " + hook.name + " {\n";
    for (const std::string& event : hook.events) text += line(1, "event", event);
    text += conditions_text("when", hook.when) + conditions_text("unless", hook.unless);
    if (!hook.run.empty()) text += line(1, "run", hook.run);
    for (const std::string& arg : hook.args) text += line(1, "arg", arg);
    return text + settings_text(hook.settings) + "}\n";
}

std::string portal_text(const Portal& portal) {
    std::string text = "\nportal {\n";
    if (!portal.member_id.empty()) text += line(1, "member_id", portal.member_id);
    if (!portal.domain.empty()) text += line(1, "domain", portal.domain);
    for (std::size_t i = 0; i < portal.tokens.size(); ++i) text += line(1, "token", hidden);
    return text + "}\n";
}

// TEXT without the tokens of PORTALS, wherever they stand in it.
std::string without_tokens(std::string text, const std::vector<Portal>& portals) {
    constexpr std::size_t min_hidden = 6;  // bytes, as in a hook's output
    std::vector<std::string_view> tokens;
    for (const Portal& portal : portals) {
        std::ranges::copy_if(portal.tokens, std::back_inserter(tokens),
                             [](std::string_view token) { return token.size() >= min_hidden; });
    }
    // One may be the beginning of another.
    std::ranges::sort(tokens, std::ranges::greater{}, &std::string_view::size);
    for (std::string_view token : tokens) {
        for (std::size_t at = 0; (at = text.find(token, at)) != std::string::npos;) {
            text.replace(at, token.size(), hidden);
        }
    }
    return text;
}

// VALUE of `NAME=` in the query of URL replaced by ***.
void hide_parameter(std::string& url, std::string_view name) {
    std::size_t query = url.find('?');
    while (query != std::string::npos) {
        std::size_t begin = query + 1;
        std::size_t end = url.find_first_of("&#", begin);
        std::string_view part = std::string_view(url).substr(begin, end - begin);
        if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) {
            url.replace(begin + name.size() + 1, part.size() - name.size() - 1, hidden);
        }
        query = url.find('&', begin);
    }
}

}  // namespace

bool looks_secret(std::string_view variable) {
    constexpr std::array<std::string_view, 7> marks{"token",  "secret", "passw", "key",
                                                    "cookie", "auth",   "cred"};
    std::string name = lower(variable);
    return std::ranges::any_of(
        marks, [&](std::string_view mark) { return name.find(mark) != std::string::npos; });
}

bool is_store_url(std::string_view store) {
    return store.starts_with("postgresql://") || store.starts_with("postgres://");
}

std::string store_without_password(const std::string& store) {
    std::size_t scheme = store.find("://");
    if (scheme == std::string::npos) return store;
    std::string url = store;
    hide_parameter(url, "password");
    hide_parameter(url, "sslpassword");
    std::size_t begin = scheme + 3;
    // The last '@' before the query: a password that was not percent-encoded may hold '/' and '@'.
    std::size_t at = url.substr(0, url.find('?')).rfind('@');
    if (at == std::string::npos || at < begin) return url;
    std::size_t colon = url.find(':', begin);
    if (colon != std::string::npos && colon < at) {
        url.replace(colon + 1, at - colon - 1, hidden);
    }
    return url;
}

std::string print_config(const Config& config) {
    std::string text = "; " + printable(config.path, 4096) + "\n";
    std::size_t from_file = 0;
    for (const Key<Config>& key : top_keys()) {
        std::string value = key.get(config).text;
        if (key.spec.kind == Kind::store) value = store_without_password(value);
        if (!value.empty()) text += line(0, key.spec.name, value);
    }
    std::string portals;
    for (const Portal& portal : config.portals) {
        if (portal.line == 0) {
            portals += portal_text(portal);
        } else {
            ++from_file;
        }
    }
    if (!config.portals_file.empty()) {
        text += "; " + std::to_string(from_file) + " portals in that file\n";
    }
    text += portals;
    for (const HookBlock& hook : config.hooks) text += hook_text(hook);
    text += "\ndefaults {\n" + settings_text(config.defaults) + "}\n";
    text += plain_block("worker", worker_keys(), config.worker);
    text += plain_block("limits", limits_keys(), config.limits);
    text += plain_block("retention", retention_keys(), config.retention);
    text += plain_block("log", log_keys(), config.log);
    return without_tokens(std::move(text), config.portals);
}

}  // namespace bx
