// What `bxhook check` looks at, and what it found.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "config/config.h"
#include "host/own_commands.h"

namespace bx {

struct Hook;

class Findings {
public:
    // COMMANDS is how the fixes are typed.
    explicit Findings(OwnCommands commands) : commands_(std::move(commands)) {}

    void add(Problem problem) { list_.push_back(std::move(problem)); }
    void add(const std::vector<Problem>& problems);
    void error(const std::string& place, const std::string& message, const std::string& fix);
    void warning(const std::string& place, const std::string& message, const std::string& fix);

    const std::vector<Problem>& list() const { return list_; }
    std::size_t errors() const;
    const OwnCommands& commands() const { return commands_; }

private:
    OwnCommands commands_;
    std::vector<Problem> list_;
};

// The config file and what it names: who can read and write it, where it lies.
void check_files(const Config& config, Findings& findings);
// The portals and their tokens.
void check_portals(const Config& config, Findings& findings);
// Each hook: could it be started, does any event reach it.
void check_hooks(const Config& config, Findings& findings);
// The program of HOOK at PLACE ("hook crm-sync"): may it be started, is its interpreter there.
void check_program(const Hook& hook, const Config& config, const std::string& place,
                   Findings& findings);
// The store, its directory, the worker, lanes in which deliveries wait behind one that fails.
void check_store(const Config& config, Findings& findings);
// Gateways of this config that run as another user than the store's.  As root, before it becomes
// that user, it sees all of them.
void check_gateways(const Config& config, Findings& findings);
// The machine: the user, its limits.
void check_host(Findings& findings);
// From outside, through the web server at URL.  Gives the milliseconds its answer took; none: there
// was no answer.
std::optional<Millis> check_web(const std::string& url, const Config& config, Findings& findings);

}  // namespace bx
