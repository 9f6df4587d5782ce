// The configuration file (contract: bxhook.conf(5)) as one checked, immutable struct.
//
// Boost.PropertyTree reads the INFO syntax and stays inside info.cpp.  A Config is complete and
// valid: no other code looks for a missing key or a bad number again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/problems.h"
#include "config/store_place.h"
#include "host/trust.h"

namespace bx {

// A Bitrix24 account that may send events.
struct Portal {
    std::string member_id;            // empty: any
    std::string domain;               // lower case; empty: any
    std::vector<std::string> tokens;  // at least one, none empty
    std::string place;                // "portal 2", "/srv/bx/portals.txt:17": for messages
    std::size_t line = 0;             // of the portals file; 0: a block of the configuration file
    // "https://DOMAIN/rest/USER/CODE/" of an incoming webhook, which is a secret; empty: none.
    std::string webhook = {};
    int rate = 2;                     // calls a second to it
    int burst = 50;                   // calls at once
};

// An application whose installations are taken.
struct App {
    std::string client_id;            // empty: of those in no other block, which wait as pending
    std::string client_secret;        // empty where client_id is
    std::string url;                  // where its events go; empty: not said
    std::vector<std::string> events;  // globs on the codes it subscribes to; empty: left alone
    Millis catch_up = 5 * minute;     // how often missed events are looked for; 0: never
    std::string server;  // "https://host[:port]" of one to trust beside those known; empty: none
    int rate = 2;        // calls a second to one portal
    int burst = 50;      // calls at once
    std::string page;    // absolute path of what its page shows; empty: a built-in line
    std::string place;   // "app 2": for messages
};

// Whoever knows its key may send posts that carry no application_token.
struct PostBlock {
    std::string name;    // as a hook is named (config/posts.h)
    std::string key;     // [A-Za-z0-9_-]{16,128}, a secret
    std::string portal;  // whose its posts are: a domain, or a member_id
    // The same as far as the configuration has that portal, the domain in lower case; else PORTAL is
    // the domain.
    std::string member_id = {};
    std::string domain = {};
};

// How Bitrix24 is reached.
struct Rest {
    std::string curl = "curl";      // an absolute path, or a name to look for in $PATH
    std::string cacert;             // absolute; empty: the system's certificates
    std::string proxy;              // a URL, which may have a password; empty: none
    Millis timeout = 20 * second;   // of a request
};

class PortalIndex;

enum class Order { entity, none };
// Of the events that the installation's own user caused.
enum class Own { take, skip };
// Which portals `call` and `token` may name in a hook.
enum class Calls { own, any };

// How a hook is run; every field has a value (defaults, then the `defaults` block, then its own).
struct HookSettings {
    Millis timeout = 60 * second;
    int attempts = 12;
    Millis backoff = 15 * second;
    Millis backoff_max = 6 * hour;
    int concurrency = 4;
    Order order = Order::entity;
    bool coalesce = false;
    Millis delay = 0;
    std::vector<std::pair<std::string, std::string>> env;
    std::string dir;  // absolute; empty: the hook's own
    bool disabled = false;
    Own own = Own::take;
    Calls call = Calls::own;
};

// A line of `when` or `unless`: the scalar at PATH ("data.FIELDS.ID") must match GLOB.
struct Condition {
    std::string path;
    std::string glob;
};

// A `hook NAME { }` block.
struct HookBlock {
    std::string name;
    std::vector<std::string> events;  // globs on the code; never empty when `run` is set
    std::vector<Condition> when;
    std::vector<Condition> unless;
    std::string run;                  // absolute; empty: settings for the script NAME in hooks_dir
    std::vector<std::string> args;
    HookSettings settings;
};

struct Config {
    struct Worker {
        bool auto_start = true;
        int concurrency = 4;
        Millis shutdown_grace = 30 * second;
    };
    struct Limits {
        std::size_t body = std::size_t{1} << 20;  // bytes
        std::size_t fields = 1000;
        unsigned depth = 64;                      // levels of brackets
        std::int64_t queue = 1000000;             // unfinished events
        // From 80 % of `queue` on, where it is worth a word before events are refused.
        bool queue_is_nearly_full(std::int64_t unfinished) const {
            return unfinished > 0 && unfinished * 10 >= queue * 8;
        }
        std::size_t output = std::size_t{64} << 10;  // bytes of stdout, and of stderr, kept
    };
    struct Retention {
        Millis done = 7 * day;
        Millis dead = 90 * day;
    };

    std::string path;  // of the file, absolute
    // Absolute, as hooks_dir is.  Their defaults are relative to the file.
    StorePlace store = StorePlace::of("state/queue.db");
    std::string hooks_dir = "hooks";
    std::string portals_file;  // absolute; empty: none
    std::vector<Portal> portals;
    // With ConfigPart::request: the portals of portals_file, which are not in `portals` then.
    // Null: they are.
    std::shared_ptr<const PortalIndex> portal_index;
    std::vector<App> apps;
    std::vector<PostBlock> posts;
    // Somebody may send events: a portal, an installation of an application, who knows a key.
    bool has_portals() const;
    Rest rest;
    std::vector<HookBlock> hooks;
    HookSettings defaults;
    Worker worker;
    Limits limits;
    Retention retention;
    LogSettings log;
    // Loaded by root: who besides root can change any of it (this file, the portals file, and where
    // hooks were read hooks_dir).  For anybody else it is empty.
    std::vector<Writer> writers;
};

// How much of the file must be right.
//   gateway: what the gateway uses: syntax, unknown top-level keys, store, portal, portals, app,
//            post, limits, worker.start, log.  hooks, defaults, rest and retention are left at their
//            defaults.
//   request: the same, for one request: where the portals file was found right before and has not
//            changed it is not read again (portal_index.h).
//   sync:    what talks to Bitrix24 uses: as the gateway's, and rest.
//   all:     everything.
enum class ConfigPart { gateway, request, sync, all };

using ConfigPtr = std::shared_ptr<const Config>;

// Of the hook of that name, whether a block runs it or a script.
const HookSettings& settings_of(const Config& config, std::string_view hook);

// Those of a process that was started in the background: without a file of its own the log is
// beside the store.
LogSettings background_log(const Config& config);

// Reads and checks the file.  Throws ConfigError with every problem found; UnsafeFile when others
// may write it or the portals file (for root also hooks_dir, and a directory above); Error when it
// cannot be read.
ConfigPtr load_config(const std::string& path, ConfigPart part);

}  // namespace bx
