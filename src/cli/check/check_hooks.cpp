#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "event/catalog.h"
#include "event/kinds.h"
#include "hooks/hooks.h"
#include "hooks/invocation.h"
#include "hooks/scripts.h"
#include "host/accounts.h"
#include "host/advice.h"

namespace bx {

namespace {

// What is wrong with CONDITION on who the sender was; empty: nothing, or it is on something else.
std::string identity_problem(const Condition& condition, const Config& config) {
    for (std::string_view proven : {"portal", "member_id"}) {
        const bool by_domain = proven == "portal";
        const std::string sent = by_domain ? "auth.domain" : "auth.member_id";
        if (condition.path == sent) {
            return "'" + sent + "' is what the sender wrote, which may be another portal's: use '" +
                   std::string(proven) + "', which the token proves";
        }
        if (condition.path != proven) continue;
        const auto fits = [&](const auto& one) {  // a Portal or a PostBlock
            const bool anyone = one.domain.empty() && one.member_id.empty();
            const std::string& name = by_domain ? one.domain : one.member_id;
            return anyone || (!name.empty() && glob_match(condition.glob, name, by_domain));
        };
        const bool possible = std::ranges::any_of(config.portals, fits) ||
                              std::ranges::any_of(config.posts, fits);
        // Any portal can install an application.
        if (!possible && config.apps.empty()) {
            return "no portal or post block has a " + std::string(by_domain ? "domain" : proven) +
                   " that matches '" + printable(condition.glob) + "'";
        }
    }
    return {};
}

// True when HOOK may take posts that come by a key: what is in them only their sender knows.
bool takes_any_field(const Hook& hook, const Config& config) {
    return std::ranges::any_of(config.posts, [&](const PostBlock& post) {
        const std::string code = make_code("POST.", post.name);
        return hook.code == "ANY" || hook.code == code ||
               std::ranges::any_of(hook.globs, [&](const std::string& glob) {
                   return glob_match(glob, code, true);
               });
    });
}

// What no event can give; and that a value that begins with '-' would be an option of the program.
void check_arguments(const Hook& hook, const std::string& place, const Config& config,
                     Findings& findings) {
    const std::string& file = config.path;
    const bool any_field = takes_any_field(hook, config);
    for (const std::string& arg : hook.args) {
        for (Problem& problem : argument_problems(arg)) {
            if (any_field && problem.level == Level::warning) continue;
            problem.place = place;
            problem.fix = edit_command(file);
            findings.add(std::move(problem));
        }
    }
    for (const std::string& arg : hook.args) {
        if (arg == "--") return;
        if (!arg.starts_with('{') || arg.starts_with("{{")) continue;
        findings.warning(place,
                         "the argument '" + printable(arg) +
                             "' may begin with '-' and look like an option: put `arg --` before "
                             "it, or write \"--NAME=" + printable(arg) + "\"",
                         edit_command(file));
    }
}

void check_conditions(const Hook& hook, const std::vector<Condition>& conditions,
                      const std::string& place, const Config& config, Findings& findings) {
    const std::string& file = config.path;
    const bool any_field = takes_any_field(hook, config);
    for (const Condition& condition : conditions) {
        const std::string problem = identity_problem(condition, config);
        if (!problem.empty()) findings.warning(place, problem, edit_command(file));
        if (condition.path == "portal" || condition.path == "member_id") continue;
        if (looks_like_regex(condition.glob)) {
            findings.warning(place,
                             "'" + printable(condition.path) +
                                 "' is compared with a glob (* ? [..]), but this looks like a "
                                 "regular expression",
                             edit_command(file));
        }
        const bool there = is_top_field(condition.path.substr(0, condition.path.find('.')));
        if (there || any_field) continue;
        findings.warning(place,
                         "'" + printable(condition.path) +
                             "' is in no event: write the whole path, such as data.FIELDS.ID or "
                             "auth.user_id",
                         edit_command(file));
    }
}

void check_working_directory(const std::string& dir, const std::string& place,
                             Findings& findings) {
    std::string what = "its working directory '" + dir + "'";
    struct stat info {};
    if (::stat(dir.c_str(), &info) != 0) {
        if (errno == ENOENT) {
            return findings.error(place, what + " is missing", make_directory_command(dir, "755"));
        }
        return findings.error(place, what + " cannot be checked: " + std::strerror(errno),
                              "ls -ld " + shell_word(directory_of(dir)));
    }
    if (!S_ISDIR(info.st_mode)) {
        return findings.error(place, what + " is not a directory", "ls -ld " + shell_word(dir));
    }
    if (::access(dir.c_str(), X_OK) == 0) return;
    bool own = info.st_uid == ::geteuid();
    findings.error(place, what + " cannot be entered by " + user_name(::geteuid()),
                   (own ? "chmod u+rwx " : "ls -ld ") + shell_word(dir));
}

void check_settings(const Hook& hook, const std::string& place, const std::string& file,
                    Findings& findings) {
    const HookSettings& settings = hook.settings;
    if (!settings.dir.empty()) check_working_directory(settings.dir, place, findings);
    if (settings.coalesce && settings.order == Order::none) {
        findings.warning(place, "coalesce has no effect with order none: set order entity",
                         edit_command(file));
    }
    if (settings.backoff > settings.backoff_max) {
        findings.warning(place, "backoff is longer than backoff_max, which limits it: raise that",
                         edit_command(file));
    }
}

void check_name(const Hook& hook, const std::string& place, Findings& findings) {
    const bool known = hook.code == "ANY" || find_event(hook.code) != nullptr ||
                       is_posts_code(hook.code);
    const std::string copied = copied_name(hook.program);
    if (!hook.from_dir || hook.problem || !known || copied.empty()) return;
    findings.warning(place,
                     "'" + hook.program + "' looks like a copy of '" + copied + "', but it takes "
                     "events: to disable a hook, rename its file *.disabled",
                     disable_command(hook.program));
}

void check_hook(const Hook& hook, const Config& config, Findings& findings) {
    std::string place = "hook " + hook.name;
    // A block without its script: HookSet warns.  A script that is put aside may be half done.
    if (hook.program.empty() || !hook.put_aside.empty()) return;
    check_program(hook, config, place, findings);
    check_name(hook, place, findings);
    check_settings(hook, place, config.path, findings);
    check_conditions(hook, hook.when, place, config, findings);
    check_conditions(hook, hook.unless, place, config, findings);
    check_arguments(hook, place, config, findings);
    check_globs(hook.globs, place, config.path, findings);
}

// Hooks of one name: none of them runs.
std::vector<std::string> stopped_among(const HookSet& hooks) {
    std::vector<std::string> stopped;
    for (std::size_t i = 1; i < hooks.hooks().size(); ++i) {
        const std::string& name = hooks.hooks()[i].name;
        if (hooks.hooks()[i - 1].name == name) stopped.push_back(name);
    }
    return stopped;
}

std::map<std::string, std::string> disabled_among(const HookSet& hooks) {
    std::map<std::string, std::string> disabled;
    for (const Hook& hook : hooks.hooks()) {
        if (hook.settings.disabled) disabled.emplace(hook.name, disabled_reason(hook));
    }
    return disabled;
}

std::set<std::string> known_among(const HookSet& hooks) {
    std::set<std::string> known;
    for (const Hook& hook : hooks.hooks()) {
        if (!hook.program.empty()) known.insert(hook.name);
    }
    return known;
}

}  // namespace

std::vector<HookCounts> gone_hooks(const StoreStatus& status, const Hooks& hooks) {
    std::vector<HookCounts> gone;
    for (const HookCounts& counts : status.hooks) {
        const bool waits = hooks.known && counts.waiting > 0;
        if (waits && !hooks.known->contains(counts.hook)) gone.push_back(counts);
    }
    return gone;
}

Hooks check_hooks(const Config& config, Findings& findings) {
    HookSet hooks;
    try {
        hooks = HookSet::load(config);
    } catch (const Error& error) {
        findings.error(config.hooks_dir, error.what(), "ls -ld " + shell_word(config.hooks_dir));
        return {.any_enabled = true};  // as far as is known
    }
    for (const Problem& duplicate : hooks.duplicates()) findings.add(duplicate);
    for (Problem warning : hooks.warnings()) {
        warning.fix = findings.commands().typed(warning.fix);
        findings.add(std::move(warning));
    }
    for (const Hook& hook : hooks.hooks()) check_hook(hook, config, findings);
    // A file that cannot run is one that is meant to: there is an error about it.
    const auto is_enabled = [](const Hook& hook) {
        return !hook.settings.disabled && (!hook.problem || hook.from_dir);
    };
    return {stopped_among(hooks), disabled_among(hooks),
            std::ranges::any_of(hooks.hooks(), is_enabled), known_among(hooks)};
}

Problem no_hook_enabled(const Config& config) {
    return {Level::warning, config.hooks_dir, "no hook is enabled: events are kept and skipped",
            "put an executable file there, named after its event ('bxhook events' lists them)"};
}

}  // namespace bx
