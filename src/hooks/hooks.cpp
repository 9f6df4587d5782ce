#include "hooks/hooks.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "config/hook_name.h"
#include "config/posts.h"
#include "event/catalog.h"
#include "event/own_events.h"
#include "event/kinds.h"
#include "event/secrets.h"
#include "hooks/scripts.h"
#include "host/advice.h"

namespace bx {

namespace {

constexpr std::string_view any_code = "ANY";

bool is_known(std::string_view code) {
    return code == any_code || find_event(code) != nullptr || is_posts_code(code);
}

const HookBlock* block_of(const Config& config, std::string_view name) {
    auto found = std::ranges::find(config.hooks, name, &HookBlock::name);
    return found == config.hooks.end() ? nullptr : &*found;
}

void take_settings(Hook& hook, const HookBlock& block) {
    hook.globs = block.events;
    hook.when = block.when;
    hook.unless = block.unless;
    hook.args = block.args;
    hook.settings = block.settings;
}

Hook script_hook(const Config& config, const Script& script) {
    Hook hook;
    hook.name = script.name;
    hook.program = absolute_path(config.hooks_dir, script.path);
    hook.code = script.code;
    hook.from_dir = true;
    hook.settings = config.defaults;
    if (const HookBlock* block = block_of(config, script.name)) take_settings(hook, *block);
    if (!script.executable) {
        hook.problem = StartProblem{StartFault::not_executable, "not executable", ""};
    }
    return hook;
}

// SCRIPT, a person disabled: nothing is wrong with it.
Hook disabled_hook(const Config& config, const Script& script) {
    Hook hook = script_hook(config, script);
    hook.settings.disabled = true;
    hook.put_aside = script.path;
    hook.problem.reset();
    return hook;
}

// A file that is no hook, or none yet, is meant to be one by a known name: not a README beside the
// hooks, whatever its bits are.
bool has_known_name(const Config& config, const Script& script) {
    return is_known(script.code) || block_of(config, script.name) != nullptr;
}

Hook block_hook(const HookBlock& block) {
    Hook hook;
    hook.name = block.name;
    hook.program = block.run;
    take_settings(hook, block);
    if (block.run.empty()) {
        // Of the script that it had: "ONCRMDEALADD.d.notify".
        const std::string code = upper(block.name.substr(0, block.name.find(".d.")));
        if (is_known(code)) hook.code = code;
        hook.problem =
            StartProblem{StartFault::missing, "missing: no file named " + block.name, ""};
    }
    return hook;
}

// Where HOOK is declared, for the error about two of one name.
std::string origin_of(const Hook& hook) {
    return hook.from_dir ? dated(hook.program) : "the block `hook " + hook.name + "`";
}

// The same in few words, for those that know hooks_dir: "ONCRMDEALADD.d/mail.sh".
std::string short_origin_of(const Hook& hook, const std::string& hooks_dir) {
    return hook.from_dir ? hook.program.substr(hooks_dir.size() + 1) : "a block with run";
}

// Which of the two is the live one only the person knows: of two files mostly the younger one.
Problem duplicate(const Hook& first, const Hook& second, const std::string& config) {
    const bool files = first.from_dir && second.from_dir;
    const std::string rename = files ? ": keep one, rename the other to *.disabled"
                                     : ": rename the block, or the file to *.disabled";
    const std::string& older = is_older(second.program, first.program) ? second.program
                                                                       : first.program;
    return {Level::error, "hook " + first.name,
            two_hooks_named(first.name) + ": " + origin_of(first) + " and " + origin_of(second) +
                rename,
            files ? disable_command(older) : edit_command(config)};
}

// The path below hooks_dir that keeps a file there from being renamed to TO, which would be the
// hook NAME: TO itself, or another hook of that name.  Empty: none.
std::string in_the_way(const Config& config, const ScriptList& list, const std::string& name,
                       const std::string& to) {
    if (::access(absolute_path(config.hooks_dir, to).c_str(), F_OK) == 0) return to;
    auto same = std::ranges::find(list.scripts, name, &Script::name);
    return same == list.scripts.end() ? "" : same->path;
}

// HOOK's file begins with an unknown code: NAME.sh, NAME.d/... .  NEAR is the code that was meant.
Problem misspelled(const Hook& hook, const std::string& near, const Config& config,
                   const ScriptList& list) {
    std::string what = "'" + printable(hook.code) + "' is not a known event, did you mean '" +
                       near + "'?";
    std::string name = hook.program.substr(config.hooks_dir.size() + 1);
    std::string top = name.substr(0, name.find('/'));
    std::string to = near + top.substr(hook.code.size());
    std::string path = absolute_path(config.hooks_dir, top);
    const HookBlock* block = block_of(config, near);
    if (block != nullptr && !block->run.empty()) {
        what += " The block `hook " + near + "` runs under that name: rename one";
        return {Level::warning, hook.program, what, edit_command(config.path)};
    }
    std::string other = in_the_way(config, list, near, to);
    if (other.empty()) {
        std::string renamed = absolute_path(config.hooks_dir, to);
        return {Level::warning, hook.program, what,
                "mv -nT " + shell_word(path) + " " + shell_word(renamed)};
    }
    other = absolute_path(config.hooks_dir, other);
    what += " " + dated(other) + " has that name already, this is " + dated(path) + ": choose one";
    return {Level::warning, hook.program, what, compare_command(path, other)};
}

// COPIED: what HOOK's file is by its name a copy of.
Problem copy_of_hook(const Hook& hook, const std::string& copied) {
    return {Level::warning, hook.program,
            "looks like a copy of '" + copied + "' and takes no event: to disable a hook, rename "
            "its file *.disabled",
            disable_command(hook.program)};
}

Problem unknown_code(const Hook& hook, const Config& config, const ScriptList& list) {
    const std::string near(nearest_event(hook.code));
    if (!near.empty()) return misspelled(hook, near, config, list);
    return {Level::warning, hook.program, "'" + printable(hook.code) + "' is not a known event",
            "bxhook events"};
}

// True when CODE is of a post block that CONFIG has not.
bool lacks_post(std::string_view code, const Config& config) {
    const std::string_view name = post_name_of(code);
    return !name.empty() && find_post(config.posts, name) == nullptr;
}

Problem missing_post(const Hook& hook, const Config& config) {
    return {Level::warning, hook.program,
            "no post block has the name that '" + printable(hook.code) + "' ends with: no event "
            "gets this code",
            edit_command(config.path)};
}

// What to say of HOOK when no event has its code; none: one has.
std::optional<Problem> code_problem(const Hook& hook, const Config& config,
                                    const ScriptList& list) {
    const bool known = is_known(hook.code);
    if (known && !lacks_post(hook.code, config)) return std::nullopt;
    const std::string copied = copied_name(hook.program);
    if (!copied.empty()) return copy_of_hook(hook, copied);
    return known ? missing_post(hook, config) : unknown_code(hook, config, list);
}

Problem dangling_link(const std::string& path) {
    std::error_code error;
    std::string target = std::filesystem::read_symlink(path, error).string();
    return {Level::warning, path,
            "is a link to '" + printable(target) + "', which does not exist or cannot be read: "
            "it is not a hook",
            "ls -l " + shell_word(path)};
}

Problem invalid_name(const std::string& path) {
    return {Level::warning, path, "its name is not a valid hook name ([A-Za-z0-9][A-Za-z0-9._-]*)",
            "rename it"};
}

bool has_script(const std::vector<Script>& scripts, const std::string& name) {
    return std::ranges::find(scripts, name, &Script::name) != scripts.end();
}

Problem missing_script(const HookBlock& block, const std::string& hooks_dir) {
    return {Level::warning, "hook " + block.name,
            "it has no run, and no file of that name is in '" + hooks_dir + "'",
            "add the file, or `run` to the block"};
}

// A path of `when` with all the globs it is given.
struct PathGlobs {
    std::string_view path;
    std::vector<std::string_view> globs;
};

// In the order of the file.
std::vector<PathGlobs> by_path(const std::vector<Condition>& conditions) {
    std::vector<PathGlobs> paths;
    for (const Condition& condition : conditions) {
        auto same = std::ranges::find(paths, condition.path, &PathGlobs::path);
        if (same == paths.end()) same = paths.insert(same, PathGlobs{condition.path, {}});
        same->globs.push_back(condition.glob);
    }
    return paths;
}

// "when data.FIELDS.ID 7": a rule as a reason.  A glob on a secret may be the secret itself.
std::string rule_text(std::string_view word, std::string_view path, std::string_view globs) {
    bool secret = is_secret_path(path);
    return std::string(word).append(" ").append(path).append(" ").append(secret ? "***" : globs);
}

// Does what stands at PATH match GLOB?  `portal` and `member_id` are those that the token proved;
// all else is what was sent.  A missing value never matches.
bool matches(const EventFacts& facts, const Tree& body, std::string_view path,
             std::string_view glob) {
    if (path == "portal") return !facts.domain.empty() && glob_match(glob, facts.domain, true);
    if (path == "member_id") {
        return !facts.member_id.empty() && glob_match(glob, facts.member_id, false);
    }
    Value value = body.at(path);
    return value.is_text() && glob_match(glob, value.text(), false);
}

Refusal refused_by_event(const Hook& hook, const std::string& wanted) {
    return {hook.name, "other event (wants" + wanted + ")", HookRule::event};
}

// Why HOOK's event is another one; none: it is this one.  An event of ours is to be named in full.
std::optional<Refusal> event_refusal(const Hook& hook, std::string_view code) {
    const bool is_own = is_own_code(code);
    auto fits = [&](const std::string& glob) {
        return is_own ? equal_ignoring_case(glob, code) : glob_match(glob, code, true);
    };
    const bool takes_any = hook.code.empty() || (hook.code == any_code && !is_own);
    const bool named = takes_any || hook.code == code;
    if (!named) return refused_by_event(hook, " " + hook.code);
    if (hook.globs.empty() || std::ranges::any_of(hook.globs, fits)) return std::nullopt;
    std::string globs;
    for (const std::string& glob : hook.globs) globs.append(" ").append(glob);
    return refused_by_event(hook, globs);
}

// Why HOOK does not take this event of its own; none: it does.
std::optional<Refusal> rule_refusal(const Hook& hook, const EventFacts& facts,
                                        const Tree& body) {
    if (hook.settings.disabled) {
        return Refusal{hook.name, disabled_reason(hook), HookRule::disabled};
    }
    for (const auto& [path, globs] : by_path(hook.when)) {
        auto fits = [&, where = path](std::string_view glob) {
            return matches(facts, body, where, glob);
        };
        if (std::ranges::any_of(globs, fits)) continue;
        std::string all;
        for (std::string_view glob : globs) all.append(all.empty() ? "" : " ").append(glob);
        return Refusal{hook.name, rule_text("when", path, all), HookRule::when};
    }
    for (const Condition& condition : hook.unless) {
        if (!matches(facts, body, condition.path, condition.glob)) continue;
        return Refusal{hook.name, rule_text("unless", condition.path, condition.glob),
                       HookRule::unless};
    }
    return std::nullopt;
}

// Why HOOK does not take the event; none: it does.
std::optional<Refusal> refusal_of(const Hook& hook, const EventFacts& facts,
                                      const Tree& body) {
    if (auto other_event = event_refusal(hook, facts.code)) return other_event;
    if (auto rule = rule_refusal(hook, facts, body)) return rule;
    if (!hook.problem) return std::nullopt;
    return Refusal{hook.name, hook.problem->reason, HookRule::unable};
}

// The codes, in upper case, of all events that HOOK may take; none: its globs tell.
std::vector<std::string> codes_of(const Hook& hook) {
    if (!hook.code.empty() && hook.code != any_code) return {hook.code};
    std::vector<std::string> codes;
    for (const std::string& glob : hook.globs) {
        if (glob.find_first_of("*?[") != std::string::npos) return {};
        codes.push_back(upper(glob));
    }
    return codes;
}

}  // namespace

std::string disabled_reason(const Hook& hook) {
    return hook.put_aside.empty() ? "disabled" : "disabled: " + hook.put_aside;
}

bool takes(const Hook& hook, const EventFacts& facts, const Tree& body) {
    return !event_refusal(hook, facts.code) && !rule_refusal(hook, facts, body);
}

HookSet HookSet::load(const Config& config) {
    HookSet set;
    const ScriptList list = list_scripts(config.hooks_dir);
    set.stamp_ = list.stamp;
    for (const std::string& link : list.dangling) {
        set.warnings_.push_back(dangling_link(absolute_path(config.hooks_dir, link)));
    }
    std::vector<Hook> inactive;
    set.add_scripts(config, list, inactive);
    set.add_disabled(config, list, inactive);
    set.add_blocks(config, list, inactive);
    // clang 14 cannot compile the one of std::ranges.
    std::stable_sort(set.hooks_.begin(), set.hooks_.end(),
                     [](const Hook& a, const Hook& b) { return a.name < b.name; });
    set.note_duplicates(config);
    for (const Hook& hook : inactive) set.add_inactive(hook);
    set.index();
    return set;
}

// INACTIVE gets those that are known and cannot run.
void HookSet::add_scripts(const Config& config, const ScriptList& list,
                          std::vector<Hook>& inactive) {
    for (const Script& script : list.scripts) {
        if (!script.valid_name) {
            if (script.executable) {
                warnings_.push_back(invalid_name(absolute_path(config.hooks_dir, script.path)));
            }
            continue;
        }
        Hook hook = script_hook(config, script);
        if (!script.executable && !has_known_name(config, script)) continue;
        if (script.executable) {
            std::optional<Problem> problem = code_problem(hook, config, list);
            if (problem) warnings_.push_back(std::move(*problem));
        }
        (script.executable ? hooks_ : inactive).push_back(std::move(hook));
    }
}

// INACTIVE gets them, those that cannot run standing before them.
void HookSet::add_disabled(const Config& config, const ScriptList& list,
                           std::vector<Hook>& inactive) {
    for (const Script& script : list.disabled) {
        if (!script.valid_name || !has_known_name(config, script)) continue;
        disabled_files_.emplace(script.name, script.path);
        inactive.push_back(disabled_hook(config, script));
    }
}

void HookSet::add_blocks(const Config& config, const ScriptList& list,
                         std::vector<Hook>& inactive) {
    for (const HookBlock& block : config.hooks) {
        if (!block.run.empty()) {
            hooks_.push_back(block_hook(block));
        } else if (!has_script(list.scripts, block.name) && !has_script(list.disabled, block.name)) {
            warnings_.push_back(missing_script(block, config.hooks_dir));
            inactive.push_back(block_hook(block));
        }
    }
}

// The hooks are sorted by name.
void HookSet::note_duplicates(const Config& config) {
    for (std::size_t i = 1; i < hooks_.size(); ++i) {
        Hook& before = hooks_[i - 1];
        Hook& hook = hooks_[i];
        if (before.name != hook.name) continue;
        duplicates_.push_back(duplicate(before, hook, config.path));
        hook.conflict = "two hooks have this name: " +
                        short_origin_of(before, config.hooks_dir) + ", " +
                        short_origin_of(hook, config.hooks_dir);
        if (before.conflict.empty()) before.conflict = hook.conflict;
    }
}

// Unless another hook has its name.
void HookSet::add_inactive(const Hook& hook) {
    if (find(hook.name)) return;
    hooks_.insert(std::ranges::lower_bound(hooks_, hook.name, {}, &Hook::name), hook);
}

std::string HookSet::stamp_of(const std::string& hooks_dir) {
    return list_scripts(hooks_dir).stamp;
}

std::string HookSet::inventory() const {
    std::string all;
    for (const Hook& hook : hooks_) {
        all += hook.name + '\n' + hook.program + '\n' + hook.conflict + '\n';
        if (hook.problem) all += hook.problem->reason;
        all += '\n';
    }
    return all;
}

const Hook* HookSet::find(std::string_view name) const {
    auto found = std::ranges::lower_bound(hooks_, name, {}, &Hook::name);
    return found != hooks_.end() && found->name == name ? &*found : nullptr;
}

void HookSet::index() {
    for (std::size_t first = 0; first < hooks_.size(); first = next_name(first)) {
        std::set<std::string> codes;
        bool all_named = true;
        for (std::size_t at = first, end = next_name(first); at < end; ++at) {
            const std::vector<std::string> own = codes_of(hooks_[at]);
            all_named = all_named && !own.empty();
            codes.insert(own.begin(), own.end());
        }
        if (!all_named) codes.clear();
        for (const std::string& code : codes) by_code_[code].push_back(first);
        if (codes.empty()) by_globs_.push_back(first);
    }
}

std::size_t HookSet::next_name(std::size_t first) const {
    std::size_t next = first + 1;
    while (next < hooks_.size() && hooks_[next].name == hooks_[first].name) ++next;
    return next;
}

// Those of which a hook may take events of CODE.
HookSet::Places HookSet::candidates(const std::string& code) const {
    const auto named = by_code_.find(code);
    if (named == by_code_.end()) return by_globs_;
    Places places;
    std::ranges::merge(named->second, by_globs_, std::back_inserter(places));
    return places;
}

bool HookSet::is_named(std::string_view code) const {
    return std::ranges::any_of(hooks_, [code](const Hook& hook) {
        return !hook.settings.disabled && !event_refusal(hook, code);
    });
}

HookSet::Match HookSet::match(const EventFacts& facts, const Tree& body) const {
    Match result;
    std::map<std::size_t, Refusal> refusals;
    for (const std::size_t first : candidates(facts.code)) {
        const Hook& hook = hooks_[first];
        // Those of its name stand beside it: what any of them takes is taken.
        std::optional<Refusal> refusal;
        bool taken = false;
        for (std::size_t at = first, end = next_name(first); at < end; ++at) {
            std::optional<Refusal> own = refusal_of(hooks_[at], facts, body);
            taken = taken || !own;
            if (!refusal) refusal = std::move(own);
        }
        if (taken) {
            result.taken.push_back(&hook);
            continue;
        }
        const HookRule rule = refusal->rule;
        if (rule == HookRule::unable) result.broken = true;
        if (rule != HookRule::event) result.refused.push_back(*refusal);
        refusals.emplace(first, std::move(*refusal));
    }
    if (result.taken.empty()) result.refused = refused_by_all(facts, std::move(refusals));
    return result;
}

// With those of other events, of whom only REFUSALS are known yet.
std::vector<Refusal> HookSet::refused_by_all(
    const EventFacts& facts, std::map<std::size_t, Refusal> refusals) const {
    for (std::size_t first = 0; first < hooks_.size(); first = next_name(first)) {
        if (refusals.contains(first)) continue;
        refusals.emplace(first, *event_refusal(hooks_[first], facts.code));
    }
    std::vector<Refusal> all;
    for (auto& [place, refusal] : refusals) all.push_back(std::move(refusal));
    return all;
}

}  // namespace bx
