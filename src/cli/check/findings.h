// What `bxhook check` looks at, and what it found.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "config/config.h"

namespace bx {

class Findings {
public:
    // CONFIG_OPTION: " --config PATH", when a command must be told of the config.
    explicit Findings(std::string config_option = "") : config_option_(std::move(config_option)) {}

    void add(Problem problem) { list_.push_back(std::move(problem)); }
    void error(const std::string& place, const std::string& message, const std::string& fix) {
        add({Level::error, place, message, fix});
    }
    void warning(const std::string& place, const std::string& message, const std::string& fix) {
        add({Level::warning, place, message, fix});
    }
    const std::vector<Problem>& list() const { return list_; }
    std::size_t errors() const;

    // "bxhook WORDS", as it can be typed where this check was.
    std::string command(const std::string& words) const;

private:
    std::string config_option_;
    std::vector<Problem> list_;
};

// True when systemd runs here and has the unit NAME, which names the config at PATH.
bool unit_serves(const std::string& name, const std::string& path);

// The config file itself and its portals: who can read and write it, tokens.
void check_files(const Config& config, Findings& findings);
// Each hook: could it be started, does any event reach it.
void check_hooks(const Config& config, Findings& findings);
// The store, its directory, the worker, lanes in which deliveries wait behind one that fails.
void check_store(const Config& config, Findings& findings);
// Gateways of this config that run as another user than the store's.  As root, before it becomes
// that user, it sees all of them.
void check_gateways(const Config& config, Findings& findings);
// The machine.
void check_host(Findings& findings);
// From outside, through the web server at URL.  Gives the milliseconds its answer took.
std::optional<Millis> check_web(const std::string& url, const Config& config, Findings& findings);

}  // namespace bx
