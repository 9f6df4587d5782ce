// The user's hooks: what the config's blocks and hooks_dir declare, and which of them take an
// event, and why not.  Nothing here starts anything.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "config/config.h"
#include "event/event.h"
#include "hooks/start_problem.h"
#include "store/records.h"

namespace bx {

struct Hook {
    std::string name;
    std::string program;               // absolute path; empty when there is none
    std::vector<std::string> args;     // templates
    std::string code;                  // of a script: the code in upper case; "ANY": every event
    std::vector<std::string> globs;    // of a block with `run`
    std::vector<Condition> when;
    std::vector<Condition> unless;
    HookSettings settings;
    bool from_dir = false;             // a file of hooks_dir (its permissions go up to hooks_dir)
    // Why it cannot run and so takes no event (no fix is looked for); what waits for it fails for
    // this reason.  None: it can.
    std::optional<StartProblem> problem;
    // Which other hook has its name: "two hooks have this name: ..., ...".  It takes events, and
    // what it takes waits: which of the two is meant only a person knows.  Empty: none has.
    std::string conflict{};
    // Of a script that a person disabled by its name: where it is below hooks_dir,
    // "ONCRMDEALADD.sh.disabled".  It takes no event (settings.disabled).  Empty: it is not.
    std::string put_aside{};
};

// Why HOOK, which is disabled, takes no event: "disabled", "disabled: ONCRMDEALADD.sh.disabled".
std::string disabled_reason(const Hook& hook);

// True when HOOK's event and rules take the event, whether it can run or not.
bool takes(const Hook& hook, const EventFacts& facts, const Tree& body);

struct ScriptList;

class HookSet {
public:
    // Reads hooks_dir as it is now.  A missing hooks_dir is an empty one.  Throws Error when it
    // cannot be read.
    static HookSet load(const Config& config);

    // By name.  Hooks of one name are all in it, each with its `conflict`.
    const std::vector<Hook>& hooks() const { return hooks_; }
    // What a person should know about hooks_dir: a name that is not a known code, for example.
    const std::vector<Problem>& warnings() const { return warnings_; }
    // Two hooks of one name, each pair with the command that shows both.
    const std::vector<Problem>& duplicates() const { return duplicates_; }
    // The files that a person disabled: name and path below hooks_dir, also where another hook has
    // the name.
    using Disabled = std::set<std::pair<std::string, std::string>>;
    const Disabled& disabled_files() const { return disabled_files_; }
    // The hook NAME, of several the first; null: there is none.
    const Hook* find(std::string_view name) const;
    // Is there a hook for events of CODE (upper case), whatever its rules say, that is not disabled?
    bool is_named(std::string_view code) const;

    // Two stamps of hooks_dir are equal when nothing changed in it that load() looks at.
    const std::string& stamp() const { return stamp_; }
    static std::string stamp_of(const std::string& hooks_dir);
    // What events would be matched to: each hook, its program, and what keeps it from running.
    // Other files of hooks_dir are not in it.
    std::string inventory() const;

    struct Match {
        std::vector<const Hook*> taken;  // of one name only one: it is taken when any of them does
        // With at least one taken: the hooks whose when/unless said no, disabled ones, and those
        // that cannot run.  With none: every hook, also those for other events.
        std::vector<Refusal> refused;  // by name
        bool broken = false;               // one of these is `unable`
    };
    Match match(const EventFacts& facts, const Tree& body) const;

private:
    void add_scripts(const Config& config, const ScriptList& list, std::vector<Hook>& inactive);
    void add_disabled(const Config& config, const ScriptList& list, std::vector<Hook>& inactive);
    void add_blocks(const Config& config, const ScriptList& list, std::vector<Hook>& inactive);
    void add_inactive(const Hook& hook);
    void note_duplicates(const Config& config);
    void index();
    // Places in hooks_, in order, each the first of its name.
    using Places = std::vector<std::size_t>;
    Places candidates(const std::string& code) const;
    std::size_t next_name(std::size_t first) const;
    std::vector<Refusal> refused_by_all(const EventFacts& facts,
                                        std::map<std::size_t, Refusal> refusals) const;

    std::vector<Hook> hooks_;
    // Who is asked of an event: the names all of whose hooks name their events, by each of these,
    // and the others, where one goes by globs or takes every event.
    std::unordered_map<std::string, Places> by_code_;
    Places by_globs_;
    std::vector<Problem> warnings_;
    std::vector<Problem> duplicates_;
    Disabled disabled_files_;
    std::string stamp_;
};

}  // namespace bx
