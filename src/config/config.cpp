#include "config/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>

#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "config/apps.h"
#include "config/block.h"
#include "config/hook_name.h"
#include "config/info.h"
#include "config/keys.h"
#include "config/portal_index.h"
#include "config/portals.h"
#include "config/posts.h"
#include "config/problems.h"

namespace bx {

namespace {

constexpr std::size_t max_file_size = std::size_t{16} << 20;
constexpr std::size_t max_name = 200;  // of a hook; a file's name can have 255 bytes

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

std::string index_of(const Config& config) { return config.store.worker_files + ".portals"; }

class Reader {
public:
    // STAMP is the file's from before it was read.
    Reader(std::string path, ConfigPart part, std::vector<Writer> writers, const FileStamp& stamp)
        : path_(std::move(path)),
          dir_(directory_of(path_)),
          part_(part),
          stamps_{stamp, {}},
          problems_(path_),
          blocks_(dir_, problems_) {
        config_.writers = std::move(writers);
    }

    Config read(const std::vector<Setting>& settings);
    Problems& problems() { return problems_; }
    // For the next request, of CONFIG that was read and has no problem.
    void write_portal_index(const Config& config) const;

private:
    struct Later {  // what is read after the rest, wherever it stands
        std::vector<const Setting*> defaults;  // of several each is wrong, and read all the same
        std::vector<const Setting*> hooks;
    };
    BlockKeys top_level(Later& later);
    BlockKeys of_the_worker(Later& later);
    BlockKeys unused_by_the_gateway();
    void read_portal(const Setting& setting);
    void read_app(const Setting& setting);
    void read_post(const Setting& setting);
    void read_defaults(const Setting& setting);
    void read_hook(const Setting& setting);
    BlockKeys keys_of_hook(HookBlock& hook);
    BlockKey env_key(HookSettings& settings);
    void read_env(const Setting& setting, const std::string& place, HookSettings& settings);
    BlockKey conditions_key(std::string_view name, std::vector<Condition>& conditions);
    void check_hook(const HookBlock& hook, const std::string& place);
    void set_run(HookBlock& hook, const Setting& setting, const std::string& place);
    void require_trust() const;
    bool find_portal_index();

    std::string path_;
    std::string dir_;
    ConfigPart part_;
    PortalIndex::Stamps stamps_;
    Problems problems_;
    BlockReader blocks_;
    Config config_;
};

// -- Portals

void Reader::read_portal(const Setting& setting) {
    Portal portal;
    portal.place = "portal " + std::to_string(config_.portals.size() + 1);
    problems_.note_block(portal.place, setting.line);
    const std::size_t before = problems_.list().size();
    if (!blocks_.is_block(setting, portal.place)) return;
    blocks_.read(setting.children, portal.place, blocks_.keys_of(portal_keys(), portal));
    if (portal.tokens.empty() && problems_.list().size() == before) {
        problems_.add(portal.place, "has no token");
    }
    if (problems_.list().size() == before) check_webhook(portal, problems_);
    config_.portals.push_back(std::move(portal));
}

void Reader::read_app(const Setting& setting) {
    App app;
    app.place = "app " + std::to_string(config_.apps.size() + 1);
    problems_.note_block(app.place, setting.line);
    const std::size_t before = problems_.list().size();
    if (!blocks_.is_block(setting, app.place)) return;
    blocks_.read(setting.children, app.place, blocks_.keys_of(app_keys(), app));
    if (problems_.list().size() == before) check_app(app, setting.children, problems_);
    config_.apps.push_back(std::move(app));
}

void Reader::read_post(const Setting& setting) {
    PostBlock post;
    post.name = setting.value;
    if (!is_post_name(post.name)) return problems_.add("post", not_a_post_name(post.name));
    const std::string place = place_of(post);
    problems_.note_block(place, setting.line);
    const std::size_t before = problems_.list().size();
    blocks_.read(setting.children, place, blocks_.keys_of(post_keys(), post));
    if (problems_.list().size() == before) check_post(post, problems_);
    config_.posts.push_back(std::move(post));
}

// -- Hooks

BlockKey Reader::env_key(HookSettings& settings) {
    return {"env", false, [this, &settings](const Setting& setting, const std::string& place) {
                if (blocks_.is_block(setting, place)) read_env(setting, place, settings);
            }};
}

void Reader::read_env(const Setting& setting, const std::string& place, HookSettings& settings) {
    std::set<std::string> seen;
    for (const Setting& item : setting.children) {
        const Problems::InLine here(problems_, item.line);
        std::string where = join_place(place, printable(item.key, 60));
        if (!blocks_.is_value(item, where)) continue;
        if (!is_env_name(item.key)) {
            problems_.add(where, "is not a variable name: use letters, digits and '_'");
        } else if (upper(item.key).starts_with("BX_")) {
            problems_.add(where, "names that begin with BX_ are reserved for bxhook");
        } else if (!seen.insert(item.key).second) {
            problems_.add(where, "is given twice");
        } else {
            // A hook's own value takes the place of the one in `defaults`.
            std::erase_if(settings.env, [&](const auto& pair) { return pair.first == item.key; });
            settings.env.emplace_back(item.key, item.value);
        }
    }
}

BlockKey Reader::conditions_key(std::string_view name, std::vector<Condition>& conditions) {
    return {name, false, [this, &conditions](const Setting& setting, const std::string& place) {
                if (!blocks_.is_block(setting, place)) return;
                for (const Setting& item : setting.children) {
                    const Problems::InLine here(problems_, item.line);
                    std::string where = join_place(place, printable(item.key, 60));
                    if (item.key.empty()) problems_.add(place, "a path is empty");
                    if (blocks_.is_value(item, where)) conditions.push_back({item.key, item.value});
                }
            }};
}

void Reader::read_hook(const Setting& setting) {
    const Problems::InLine here(problems_, setting.line);
    HookBlock hook;
    hook.name = setting.value;
    if (!is_hook_name(hook.name) || hook.name.size() > max_name) {
        return problems_.add("hook", quoted(hook.name) +
                                         " is not a hook name: use letters, digits, '.', '_' and "
                                         "'-', and begin with a letter or digit");
    }
    std::string place = "hook " + hook.name;
    const auto same = std::ranges::find(config_.hooks, hook.name, &HookBlock::name);
    if (same != config_.hooks.end()) problems_.add(place, "is given twice");
    hook.settings = config_.defaults;
    const std::size_t before = problems_.list().size();
    blocks_.read(setting.children, place, keys_of_hook(hook));
    if (problems_.list().size() == before) check_hook(hook, place);
    config_.hooks.push_back(std::move(hook));
}

BlockKeys Reader::keys_of_hook(HookBlock& hook) {
    BlockKeys keys = blocks_.keys_of(hook_keys(), hook.settings);
    keys.push_back({"event", true, [this, &hook](const Setting& item, const std::string& place) {
                        const auto event = blocks_.value_of({"event", Kind::event}, item, place);
                        if (event) hook.events.push_back(event->text);
                    }});
    keys.push_back({"run", false, [this, &hook](const Setting& item, const std::string& place) {
                        set_run(hook, item, place);
                    }});
    keys.push_back({"arg", true, [this, &hook](const Setting& item, const std::string& place) {
                        if (blocks_.is_value(item, place)) hook.args.push_back(item.value);
                    }});
    keys.push_back(conditions_key("when", hook.when));
    keys.push_back(conditions_key("unless", hook.unless));
    keys.push_back(env_key(hook.settings));
    return keys;
}

void Reader::set_run(HookBlock& hook, const Setting& setting, const std::string& place) {
    if (!blocks_.is_value(setting, place)) return;
    if (trim(setting.value).empty()) return problems_.add(place, "is empty");
    if (setting.value.starts_with('~')) {
        return problems_.add(place, quoted(setting.value) +
                                        ": '~' is not expanded: write the whole path");
    }
    hook.run = absolute_path(dir_, setting.value);
}

void Reader::check_hook(const HookBlock& hook, const std::string& place) {
    if (!hook.run.empty() && hook.events.empty()) {
        problems_.add(place, "has 'run' but no 'event': add the events it runs for");
    }
    if (hook.run.empty() && !hook.events.empty()) {
        problems_.add(join_place(place, "event"),
                      "needs 'run': the event of a script is the name of its file");
    }
}

// As root: of all that can be changed by others than root, the user whose store it is must be the
// only one who can.  (Whether there can be such a user is seen when the store is opened.)
void Reader::require_trust() const {
    if (::geteuid() != 0) return;
    const std::string dir = directory_of(config_.store.worker_files);
    std::optional<Target> target = follow(dir);
    if (!target) target = follow(directory_of(dir));
    if (target && target->info.st_uid != 0) require_only(target->info.st_uid, config_.writers);
}

// What both parts of the program use.
BlockKeys Reader::top_level(Later& later) {
    BlockKeys keys = blocks_.keys_of(top_keys(), config_);
    keys.push_back({"portal", true,
                    [this](const Setting& item, const std::string&) { read_portal(item); }});
    keys.push_back({"app", true,
                    [this](const Setting& item, const std::string&) { read_app(item); }});
    keys.push_back({"post", true,
                    [this](const Setting& item, const std::string&) { read_post(item); }});
    keys.push_back({"hook", true, [&later](const Setting& item, const std::string&) {
                        later.hooks.push_back(&item);
                    }});
    keys.push_back(blocks_.block("limits", limits_keys(), config_.limits));
    keys.push_back(blocks_.block("log", log_keys(), config_.log));
    return keys;
}

BlockKeys Reader::of_the_worker(Later& later) {
    return {blocks_.block("worker", worker_keys(), config_.worker),
            blocks_.block("rest", rest_keys(), config_.rest),
            blocks_.block("retention", retention_keys(), config_.retention),
            {"defaults", false, [this, &later](const Setting& item, const std::string& place) {
                 if (blocks_.is_block(item, place)) later.defaults.push_back(&item);
             }}};
}

// The gateway refuses nothing in what it does not use; of `worker` it uses `start` alone.
BlockKeys Reader::unused_by_the_gateway() {
    const auto ignore = [](const Setting&, const std::string&) {};
    const auto start_alone = [this](const Setting& item, const std::string& place) {
        std::vector<Setting> used;
        std::ranges::copy_if(item.children, std::back_inserter(used),
                             [](const Setting& child) { return child.key == "start"; });
        blocks_.read(used, place, blocks_.keys_of(worker_keys(), config_.worker));
    };
    return {{"worker", false, start_alone},
            {"hooks_dir", true, ignore},
            part_ == ConfigPart::sync ? blocks_.block("rest", rest_keys(), config_.rest)
                                      : BlockKey{"rest", true, ignore},
            {"retention", true, ignore},
            {"defaults", true, ignore}};
}

// As root everything is read: who can change it is to be known.
bool Reader::find_portal_index() {
    if (part_ != ConfigPart::request || ::geteuid() == 0) return false;
    stamps_.portals = stamp_of(config_.portals_file);
    config_.portal_index = PortalIndex::open(index_of(config_), stamps_, config_.portals_file);
    return config_.portal_index != nullptr;
}

void Reader::write_portal_index(const Config& config) const {
    if (part_ != ConfigPart::request || ::geteuid() == 0) return;
    if (config.portals_file.empty() || config.portal_index) return;
    PortalIndex::write(index_of(config), stamps_, config.portals_file, config.portals,
                       wall_now());
}

void Reader::read_defaults(const Setting& setting) {
    BlockKeys keys = blocks_.keys_of(hook_keys(), config_.defaults);
    keys.push_back(env_key(config_.defaults));
    blocks_.read(setting.children, "defaults", keys);
}

Config Reader::read(const std::vector<Setting>& settings) {
    config_.path = path_;
    config_.store = StorePlace::of(absolute_path(dir_, config_.store.address));
    config_.hooks_dir = absolute_path(dir_, config_.hooks_dir);
    const bool all = part_ == ConfigPart::all;
    Later later;
    BlockKeys keys = top_level(later);
    BlockKeys others = all ? of_the_worker(later) : unused_by_the_gateway();
    std::ranges::move(others, std::back_inserter(keys));
    blocks_.read(settings, "", keys);

    for (const Setting* defaults : later.defaults) read_defaults(*defaults);
    if (all) {
        for (const Setting* hook : later.hooks) read_hook(*hook);
    }
    if (!config_.store.is_file()) config_.store.worker_files = host_directory(dir_) + "/worker";
    require_trust();
    if (!config_.portals_file.empty() && !find_portal_index()) {
        read_portals_file(config_.portals_file, config_.portals, problems_, config_.writers);
    }
    if (all) trust_directory(config_.hooks_dir, config_.writers);
    check_duplicates(config_.portals, config_.portals_file, problems_);
    check_duplicates(config_.apps, problems_);
    check_duplicates(config_.posts, problems_);
    for (PostBlock& post : config_.posts) find_portal_of(post, config_.portals);
    require_trust();
    return std::move(config_);
}

}  // namespace

bool Config::has_portals() const {
    return !portals.empty() || !apps.empty() || !posts.empty() ||
           (portal_index && !portal_index->empty());
}

const HookSettings& settings_of(const Config& config, std::string_view hook) {
    const auto block = std::ranges::find(config.hooks, hook, &HookBlock::name);
    return block == config.hooks.end() ? config.defaults : block->settings;
}

LogSettings background_log(const Config& config) {
    LogSettings settings = config.log;
    if (settings.file.empty()) {
        settings.file = directory_of(config.store.worker_files) + "/bxhook.log";
        settings.rotate_at = default_rotate_at;
    }
    return settings;
}

ConfigPtr load_config(const std::string& path, ConfigPart part) {
    std::vector<Writer> writers;
    const FileStamp stamp = stamp_of(path);
    std::string text = read_trusted_file(path, max_file_size, writers);
    Reader reader(path, part, std::move(writers), stamp);
    Config config = reader.read(parse_info(text, path));
    reader.problems().throw_if_any();
    reader.write_portal_index(config);
    return std::make_shared<const Config>(std::move(config));
}

}  // namespace bx
