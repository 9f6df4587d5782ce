#include "config/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "config/hook_name.h"
#include "config/info.h"
#include "config/portals.h"
#include "config/problems.h"
#include "config/schema.h"

namespace bx {

namespace {

constexpr std::size_t max_file_size = std::size_t{16} << 20;
constexpr std::size_t max_name = 200;  // of a hook; a file's name can have 255 bytes

std::string join(const std::string& place, const std::string& key) {
    return place.empty() ? key : place + ": " + key;
}

bool is_env_name(std::string_view name) {
    auto is_allowed = [](char c) { return is_alphanumeric(c) || c == '_'; };
    return !name.empty() && !is_digit(name[0]) && std::ranges::all_of(name, is_allowed);
}

// Where a host keeps its own files of a PostgreSQL store: where systemd lets a service write, else
// beside the config.  Of several directories the first.
std::string host_directory(const std::string& config_dir) {
    const char* given = std::getenv("STATE_DIRECTORY");
    std::string_view first = given == nullptr ? "" : split(given, ':').front();
    return first.starts_with('/') ? std::string(first) : absolute_path(config_dir, "state");
}

// A key that is not simply a value: a block, or one that may be repeated.
struct SpecialKey {
    std::string_view name;
    bool repeatable;
    std::function<void(const Setting&, const std::string& place)> read;
};
using SpecialKeys = std::vector<SpecialKey>;

class Reader {
public:
    Reader(std::string path, ConfigPart part, std::vector<Writer> writers)
        : path_(std::move(path)), part_(part) {
        dir_ = directory_of(path_);
        config_.writers = std::move(writers);
    }

    Config read(const std::vector<Setting>& settings);
    Problems& problems() { return problems_; }

private:
    template <typename Block>
    void read_block(const std::vector<Setting>& settings, const std::string& place,
                    std::span<const Key<Block>> keys, Block& block, const SpecialKeys& specials);
    template <typename Block>
    SpecialKey plain_block(std::string_view name, std::span<const Key<Block>> keys, Block& block);
    template <typename Block>
    void read_value(const Key<Block>& key, const Setting& setting, const std::string& place,
                    Block& block);
    void unknown_key(const Setting& setting, const Setting* before, const std::string& place,
                     const std::vector<std::string_view>& known);
    bool is_plain_value(const Setting& setting, const std::string& place);
    bool is_plain_block(const Setting& setting, const std::string& place);

    void read_portal(const Setting& setting);
    void read_worker_for_gateway(const Setting& setting, Config::Worker& worker);
    SpecialKey env_key(HookSettings& settings);
    void read_env(const Setting& setting, const std::string& place, HookSettings& settings);
    SpecialKey conditions_key(std::string_view name, std::vector<Condition>& conditions);
    void read_hook(const Setting& setting);
    void check_hook(const HookBlock& hook, const std::string& place);
    void add_event(HookBlock& hook, const Setting& setting, const std::string& place);
    void require_trust() const;

    std::string path_;
    std::string dir_;
    ConfigPart part_;
    Problems problems_;
    Config config_;
};

bool Reader::is_plain_value(const Setting& setting, const std::string& place) {
    if (!setting.children.empty()) {
        problems_.add(place, "takes a value, not a block");
        return false;
    }
    if (setting.value.find('\0') != std::string::npos) {
        problems_.add(place, "contains a NUL byte");
        return false;
    }
    return true;
}

bool Reader::is_plain_block(const Setting& setting, const std::string& place) {
    if (setting.value.empty()) return true;
    problems_.add(place, "takes a block { } and no value before it");
    return false;
}

void Reader::unknown_key(const Setting& setting, const Setting* before, const std::string& place,
                         const std::vector<std::string_view>& known) {
    std::string_view meant = nearest(setting.key, known);
    if (!meant.empty()) {
        problems_.add(join(place, printable(setting.key, 60)),
                      "unknown key, did you mean '" + std::string(meant) + "'?");
    } else if (setting.key == "hook" || setting.key == "portal") {
        problems_.add(join(place, setting.key), "is not allowed here: is a '}' missing above it?");
    } else if (before != nullptr && before->children.empty()) {
        // The key may be the rest of a token: not shown.
        bool secret = before->key == "token" || before->key == "store";
        problems_.add(join(place, secret ? "after " + before->key : printable(setting.key, 60)),
                      "unknown key; if it belongs to the value of '" + before->key +
                          "': " + advice_on_surplus(before->key));
    } else {
        problems_.add(join(place, printable(setting.key, 60)), "unknown key");
    }
}

template <typename Block>
void Reader::read_value(const Key<Block>& key, const Setting& setting, const std::string& place,
                        Block& block) {
    if (!is_plain_value(setting, place)) return;
    std::string problem;
    if (std::optional<KeyValue> value = parse_value(key.spec, setting.value, dir_, problem)) {
        key.set(block, *value);
    } else {
        problems_.add(place, problem);
    }
}

template <typename Block>
void Reader::read_block(const std::vector<Setting>& settings, const std::string& place,
                        std::span<const Key<Block>> keys, Block& block,
                        const SpecialKeys& specials) {
    std::vector<std::string_view> known;
    for (const Key<Block>& key : keys) known.push_back(key.spec.name);
    for (const SpecialKey& special : specials) known.push_back(special.name);
    std::set<std::string> seen;
    const Setting* before = nullptr;
    for (const Setting& setting : settings) {
        auto key = std::ranges::find(keys, setting.key,
                                     [](const Key<Block>& entry) { return entry.spec.name; });
        auto special = std::ranges::find(specials, setting.key, &SpecialKey::name);
        bool repeatable = special != specials.end() && special->repeatable;
        if (key == keys.end() && special == specials.end()) {
            unknown_key(setting, before, place, known);
        } else if (!seen.insert(setting.key).second && !repeatable) {
            problems_.add(join(place, setting.key), "is given twice");
        } else if (special != specials.end()) {
            special->read(setting, join(place, setting.key));
        } else {
            read_value(*key, setting, join(place, setting.key), block);
        }
        before = &setting;
    }
}

template <typename Block>
SpecialKey Reader::plain_block(std::string_view name, std::span<const Key<Block>> keys,
                               Block& block) {
    return {name, false, [this, keys, &block](const Setting& setting, const std::string& place) {
                if (!is_plain_block(setting, place)) return;
                read_block(setting.children, place, keys, block, {});
            }};
}

void Reader::read_portal(const Setting& setting) {
    Portal portal;
    portal.place = "portal " + std::to_string(config_.portals.size() + 1);
    const std::string& place = portal.place;
    std::size_t before = problems_.list().size();
    if (!is_plain_block(setting, place)) return;
    auto word = [&](auto set) {
        return [this, &portal, set](const Setting& item, const std::string& where) {
            if (is_plain_value(item, where)) set(portal, item.value, where, problems_);
        };
    };
    read_block<Config>(setting.children, place, {}, config_,
                       {{"member_id", false, word(set_member_id)},
                        {"domain", false, word(set_domain)},
                        {"token", true, word(add_token)}});
    if (portal.tokens.empty() && problems_.list().size() == before) {
        problems_.add(place, "has no token");
    }
    config_.portals.push_back(std::move(portal));
}

// Of this block the gateway uses `start` alone, and refuses nothing else.
void Reader::read_worker_for_gateway(const Setting& setting, Config::Worker& worker) {
    std::vector<Setting> used;
    std::ranges::copy_if(setting.children, std::back_inserter(used),
                         [](const Setting& item) { return item.key == "start"; });
    read_block(used, "worker", worker_keys(), worker, {});
}

SpecialKey Reader::env_key(HookSettings& settings) {
    return {"env", false, [this, &settings](const Setting& setting, const std::string& place) {
                if (is_plain_block(setting, place)) read_env(setting, place, settings);
            }};
}

void Reader::read_env(const Setting& setting, const std::string& place, HookSettings& settings) {
    std::set<std::string> seen;
    for (const Setting& item : setting.children) {
        std::string where = join(place, printable(item.key, 60));
        if (!is_plain_value(item, where)) continue;
        if (!is_env_name(item.key)) {
            problems_.add(where, "is no name of a variable: letters, digits and _");
        } else if (upper(item.key).starts_with("BX_")) {
            problems_.add(where, "names that begin with BX_ are bxhook's own");
        } else if (!seen.insert(item.key).second) {
            problems_.add(where, "is given twice");
        } else {
            // A hook's own value takes the place of the one in `defaults`.
            std::erase_if(settings.env, [&](const auto& pair) { return pair.first == item.key; });
            settings.env.emplace_back(item.key, item.value);
        }
    }
}

SpecialKey Reader::conditions_key(std::string_view name, std::vector<Condition>& conditions) {
    return {name, false, [this, &conditions](const Setting& setting, const std::string& place) {
                if (!is_plain_block(setting, place)) return;
                for (const Setting& item : setting.children) {
                    std::string where = join(place, printable(item.key, 60));
                    if (item.key.empty()) problems_.add(place, "a path is empty");
                    if (is_plain_value(item, where)) conditions.push_back({item.key, item.value});
                }
            }};
}

void Reader::add_event(HookBlock& hook, const Setting& setting, const std::string& place) {
    constexpr std::string_view allowed = "._-*?[]!^";
    if (!is_plain_value(setting, place)) return;
    bool fits = !setting.value.empty() && std::ranges::all_of(setting.value, [&](char c) {
        return is_alphanumeric(c) || allowed.find(c) != std::string_view::npos;
    });
    if (!fits) {
        bool is_regex = setting.value.find_first_of("()|\\^$+{}") != std::string::npos;
        return problems_.add(place, quoted(setting.value) + " can match no event code" +
                                        (is_regex ? ": a glob (* ? [..]) is wanted here, not a "
                                                    "regular expression"
                                                  : ""));
    }
    hook.events.push_back(setting.value);
}

void Reader::read_hook(const Setting& setting) {
    HookBlock hook;
    hook.name = setting.value;
    if (!is_hook_name(hook.name) || hook.name.size() > max_name) {
        return problems_.add("hook", quoted(hook.name) +
                                         " is no name of a hook: letters, digits, . _ - and first "
                                         "a letter or digit");
    }
    std::string place = "hook " + hook.name;
    if (std::ranges::find(config_.hooks, hook.name, &HookBlock::name) != config_.hooks.end()) {
        return problems_.add(place, "is given twice");
    }
    hook.settings = config_.defaults;
    auto read_run = [&](const Setting& item, const std::string& where) {
        if (!is_plain_value(item, where)) return;
        if (trim(item.value).empty()) return problems_.add(where, "is blank");
        if (item.value.starts_with('~')) {
            return problems_.add(where, quoted(item.value) +
                                            ": '~' is not expanded, write the whole path");
        }
        hook.run = absolute_path(dir_, item.value);
    };
    auto read_arg = [&](const Setting& item, const std::string& where) {
        if (is_plain_value(item, where)) hook.args.push_back(item.value);
    };
    auto read_event = [&](const Setting& item, const std::string& where) {
        add_event(hook, item, where);
    };
    std::size_t before = problems_.list().size();
    read_block(setting.children, place, hook_keys(), hook.settings,
               {{"event", true, read_event},
                {"run", false, read_run},
                {"arg", true, read_arg},
                conditions_key("when", hook.when),
                conditions_key("unless", hook.unless),
                env_key(hook.settings)});
    if (problems_.list().size() == before) check_hook(hook, place);
    config_.hooks.push_back(std::move(hook));
}

void Reader::check_hook(const HookBlock& hook, const std::string& place) {
    if (!hook.run.empty() && hook.events.empty()) {
        problems_.add(place, "has 'run' but no 'event': which events it takes must be said");
    }
    if (hook.run.empty() && !hook.events.empty()) {
        problems_.add(join(place, "event"), "goes with 'run': a script's event is its file's name");
    }
}

// As root: of all that can be changed by others than root, the user whose store it is must be the
// only one who can.  (Whether there can be such a user is seen when the store is opened.)
void Reader::require_trust() const {
    if (::geteuid() != 0) return;
    const std::string dir = directory_of(config_.worker_files);
    std::optional<Target> target = follow(dir);
    if (!target) target = follow(directory_of(dir));
    if (target && target->info.st_uid != 0) require_only(target->info.st_uid, config_.writers);
}

Config Reader::read(const std::vector<Setting>& settings) {
    config_.path = path_;
    config_.store = absolute_path(dir_, "state/queue.db");
    config_.hooks_dir = absolute_path(dir_, "hooks");
    bool all = part_ == ConfigPart::all;
    std::vector<const Setting*> hooks;
    const Setting* defaults = nullptr;  // read before the hooks, wherever it stands
    auto ignored = [](const Setting&, const std::string&) {};

    SpecialKeys specials{
        {"portal", true, [&](const Setting& item, const std::string&) { read_portal(item); }},
        {"hook", true, [&](const Setting& item, const std::string&) { hooks.push_back(&item); }},
        plain_block("limits", limits_keys(), config_.limits),
        plain_block("log", log_keys(), config_.log),
    };
    if (all) {
        specials.push_back(plain_block("worker", worker_keys(), config_.worker));
        specials.push_back(plain_block("retention", retention_keys(), config_.retention));
        specials.push_back({"defaults", false, [&](const Setting& item, const std::string& place) {
                                if (is_plain_block(item, place)) defaults = &item;
                            }});
    } else {
        specials.push_back({"worker", false, [&](const Setting& item, const std::string&) {
                                read_worker_for_gateway(item, config_.worker);
                            }});
        specials.push_back({"hooks_dir", true, ignored});
        specials.push_back({"retention", true, ignored});
        specials.push_back({"defaults", true, ignored});
    }
    read_block(settings, "", top_keys(), config_, specials);

    if (all && defaults != nullptr) {
        read_block(defaults->children, "defaults", hook_keys(), config_.defaults,
                   {env_key(config_.defaults)});
    }
    if (all) {
        for (const Setting* hook : hooks) read_hook(*hook);
    }
    config_.worker_files =
        is_store_url(config_.store) ? host_directory(dir_) + "/worker" : config_.store;
    require_trust();
    if (!config_.portals_file.empty()) {
        read_portals_file(config_.portals_file, config_.portals, problems_, config_.writers);
    }
    if (all) trust_directory(config_.hooks_dir, config_.writers);
    check_duplicates(config_.portals, config_.portals_file, problems_);
    require_trust();
    return std::move(config_);
}

}  // namespace

ConfigPtr load_config(const std::string& path, ConfigPart part) {
    std::vector<Writer> writers;
    std::string text = read_trusted_file(path, max_file_size, writers);
    Reader reader(path, part, std::move(writers));
    Config config = reader.read(parse_info(text, path));
    reader.problems().throw_if_any();
    return std::make_shared<const Config>(std::move(config));
}

}  // namespace bx
