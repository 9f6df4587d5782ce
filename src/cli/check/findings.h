// What `bxhook check` looks at, and what it found.  `bxhook status` looks at a part of it.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "config/config.h"
#include "host/own_commands.h"
#include "report/health.h"

namespace bx {

struct Hook;
class Store;

class Findings {
public:
    // COMMAND is the one that looks ("check"), COMMANDS how the fixes are typed.
    Findings(std::string command, OwnCommands commands)
        : command_(std::move(command)), commands_(std::move(commands)) {}

    void add(Problem problem) { list_.push_back(std::move(problem)); }
    void add(const std::vector<Problem>& problems);
    void error(const std::string& place, const std::string& message, const std::string& fix);
    void warning(const std::string& place, const std::string& message, const std::string& fix);

    const std::vector<Problem>& list() const { return list_; }
    std::size_t errors() const;
    const OwnCommands& commands() const { return commands_; }
    // The command that looks, to be typed again.
    std::string command() const { return commands_.line(command_); }

private:
    std::string command_;
    OwnCommands commands_;
    std::vector<Problem> list_;
};

struct Loaded {
    ConfigPtr config;       // null: nothing of it can be used
    bool complete = false;  // else only what the gateway uses
};

struct Hooks {
    std::vector<std::string> stopped{};  // none of whose deliveries may start
    std::map<std::string, std::string> disabled{};  // the same, with the reason (disabled_reason)
    bool any_enabled = false;
    // All that have a program, disabled ones too; none: they cannot be read.
    std::optional<std::set<std::string>> known{};
};

// The hooks of STATUS for which deliveries wait, and which are gone: none of HOOKS has their name.
std::vector<HookCounts> gone_hooks(const StoreStatus& status, const Hooks& hooks);

// The configuration at PATH, with every problem in it.
Loaded check_config(const std::string& path, Findings& findings);
// True for a copy of the live configuration that is being edited: a `bxhook.conf` lies beside it
// that is for the same store, or that cannot be loaded.  What runs does not depend on it.
bool is_draft(const Config& config);
// Makes this process the user that gateway and worker run as: what follows is checked with its
// rights.  False when it cannot: what another user may do does not matter.
bool become_owner(const Config& config, Findings& findings);
// The config file and what it names: who can read and write it, where it lies.
void check_files(const Config& config, Findings& findings);
// True when each directory that leads to PATH has one of the bits ENTER (S_IXGRP, S_IXOTH): only
// then does it matter what others may do with PATH itself.
bool can_be_reached(const std::string& path, mode_t enter);
// The portals and their tokens, and the applications.
void check_portals(const Config& config, Findings& findings);
// True for what matches as a regular expression and hardly as a glob.
bool looks_like_regex(std::string_view glob);
// A warning for each of GLOBS, in the block PLACE of FILE, that matches no known event.
void check_globs(const std::vector<std::string>& globs, const std::string& place,
                 const std::string& file, Findings& findings);
// Each hook: an error where it could not be started, a warning where no event reaches it.
Hooks check_hooks(const Config& config, Findings& findings);
// What there is to say where no hook is enabled.
Problem no_hook_enabled(const Config& config);
// The program of HOOK at PLACE ("hook crm-sync"): may it be started, is its interpreter there.
void check_program(const Hook& hook, const Config& config, const std::string& place,
                   Findings& findings);
// The store and its directory.  With HOOKS also what is done with the events in it: workers,
// overdue work, blocked lanes, dead deliveries (report/health.h).
void check_store(const Config& config, const Hooks* hooks, Findings& findings);
// Each `url` of CONFIG's applications but GIVEN, as check_web looks at that.
void check_app_urls(const std::string& given, const Config& config, Findings& findings);
// Of the installations in STORE: what they are not sent although the configuration wants it.
void check_subscriptions(const Config& config, Store& store, Findings& findings);
// What is to be asked of Bitrix24 for the installations in STORE, and by what; part of check_store.
void check_chores(const Config& config, Store& store, Findings& findings);
// What FINDINGS says already of CONFIG and HOOKS, all of which have been read, for judge_health().
// Of a draft (is_draft) the workers know nothing.
Known known_from(const Findings& findings, const Hooks& hooks, const Config& config);
// Gateways of this config that run as another user than the store's.  As root, before it becomes
// that user, it sees all of them.
void check_gateways(const Config& config, Findings& findings);
// The machine: the user, its limits.
void check_host(Findings& findings);
// Whether Bitrix24 can be asked from here, by asking it, and what its clock says.
void check_outgoing(const Config& config, Findings& findings);
// From outside, through the web server at URL.  Gives the milliseconds its answer took; none: there
// was no answer.
std::optional<Millis> check_web(const std::string& url, const Config& config, Findings& findings);

}  // namespace bx
