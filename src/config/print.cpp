#include "config/print.h"

#include <utility>
#include <vector>

#include "base/escape.h"
#include "base/text.h"
#include "config/info.h"
#include "config/keys.h"
#include "config/secrets.h"

namespace bx {

namespace {

constexpr std::string_view hidden = "***";

std::string line(int depth, std::string_view key, std::string_view value) {
    return std::string(static_cast<std::size_t>(depth) * 4, ' ') + info_value(key) + " " +
           info_value(value) + "\n";
}

// What may be shown of a value.
std::string shown(const KeySpec& spec, const KeyValue& value) {
    if (is_secret(spec.kind)) return std::string(hidden);
    if (spec.kind == Kind::store) return StorePlace::of(value.text).for_people();
    if (spec.kind == Kind::proxy) return without_password(value.text);
    return format_value(spec, value);
}

// True for what no file can give.
bool is_unset(const KeySpec& spec, const KeyValue& value) {
    const bool is_text = spec.kind >= Kind::path;
    return is_text && spec.kind != Kind::file && value.text.empty();
}

template <typename Block>
std::string lines(int depth, std::span<const Key<Block>> keys, const Block& block) {
    std::string text;
    for (const Key<Block>& key : keys) {
        for (const KeyValue& value : key.values(block)) {
            if (is_unset(key.spec, value)) continue;
            text += line(depth, key.spec.name, shown(key.spec, value));
        }
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
        text += line(2, name, looks_secret(name, value) ? hidden : value);
    }
    return text + "    }\n";
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

}  // namespace

std::string print_config(const Config& config) {
    std::string text = "; " + printable(config.path, 4096) + "\n";
    std::size_t from_file = 0;
    text += lines(0, top_keys(), config);
    std::string portals;
    for (const Portal& portal : config.portals) {
        if (portal.line == 0) {
            portals += "\n" + plain_block("portal", portal_keys(), portal);
        } else {
            ++from_file;
        }
    }
    if (!config.portals_file.empty()) {
        text += "; " + std::to_string(from_file) + " portals in that file\n";
    }
    text += portals;
    for (const App& app : config.apps) text += "\n" + plain_block("app", app_keys(), app);
    for (const PostBlock& post : config.posts) {
        text += "\n" + plain_block("post " + post.name, post_keys(), post);
    }
    for (const HookBlock& hook : config.hooks) text += hook_text(hook);
    text += "\ndefaults {\n" + settings_text(config.defaults) + "}\n";
    text += plain_block("worker", worker_keys(), config.worker);
    text += plain_block("limits", limits_keys(), config.limits);
    text += plain_block("retention", retention_keys(), config.retention);
    text += plain_block("log", log_keys(), config.log);
    text += plain_block("rest", rest_keys(), config.rest);
    return without_secrets(std::move(text), configured_secrets(config));
}

}  // namespace bx
