#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/escape.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "rest/text_program.h"
#include "store/store.h"
#include "sync/chores.h"

namespace bx {

namespace {

constexpr Millis curl_limit = 5 * second;
// The first that takes all options which rest/http.h writes (--resolve of several requests).
constexpr std::array<std::int64_t, 2> oldest_curl{7, 22};

// What `curl --version` prints; empty, and why in PROBLEM, when it cannot be run.
std::string curl_version(const Config& config, std::string& problem) {
    const std::string& curl = config.rest.curl;
    TextProgram program({.program = curl, .argv = {"curl", "--version"},
                         .env = curl_environment(settings_of(config.rest)), .fds = {}, .dir = "/"},
                        {}, {4096, 4096});
    if (program.start_error() != 0) {
        problem = std::strerror(program.start_error());
        return "";
    }
    const Millis end = steady_now() + curl_limit;
    while (!program.step()) {
        std::vector<pollfd> set;
        const Millis left = program.watch(set, end - steady_now());
        if (left <= 0 || (::poll(set.data(), set.size(), static_cast<int>(left)) < 0 &&
                          errno != EINTR)) {
            problem = "it does not answer";
            return "";
        }
    }
    if (program.wait_status() != 0) problem = "it fails: " + printable(program.errors());
    return program.output();
}

// "curl 7.88.1 (x86_64-pc-linux-gnu) ..."
bool is_too_old(const std::string& version) {
    const std::vector<std::string_view> words = split(version, ' ');
    if (words.size() < 2 || words[0] != "curl") return false;
    const std::vector<std::string_view> numbers = split(words[1], '.');
    const std::int64_t major = parse_number(numbers[0]).value_or(oldest_curl[0]);
    const std::int64_t minor =
        numbers.size() > 1 ? parse_number(numbers[1]).value_or(oldest_curl[1]) : 0;
    return major < oldest_curl[0] || (major == oldest_curl[0] && minor < oldest_curl[1]);
}

void check_curl(const Config& config, Findings& findings) {
    std::string problem;
    const std::string version = curl_version(config, problem);
    const std::string what = "'" + printable(config.rest.curl) + "'";
    if (!problem.empty()) {
        findings.error("rest.curl",
                       "cannot run " + what + ", by which Bitrix24 is asked: " + problem +
                           ": nothing can be called, no installation verified and no token renewed",
                       config.rest.curl == "curl" ? "apt-get install curl"
                                                  : edit_command(config.path));
    } else if (is_too_old(version)) {
        findings.error("rest.curl",
                       what + " is " + printable(version.substr(0, version.find(' ', 5)), 60) +
                           ", too old for what Bitrix24 is asked by, which takes 7.22 at least",
                       "");
    }
}

// So that verifying and renewing ask the same way, whoever begins them: worker, gateway or hook.
void check_proxy(const Config& config, Findings& findings) {
    if (!config.rest.proxy.empty()) return;
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        findings.warning("rest.proxy",
                         std::string("the proxy that ") + name + " names in the environment is not "
                             "used to ask Bitrix24, nor is no_proxy: if there is no other way out "
                             "of this machine, write rest { proxy http://HOST:PORT }",
                         edit_command(config.path));
        return;
    }
}

}  // namespace

void check_chores(const Config& config, Store& store, Findings& findings) {
    const bool has_webhook = std::ranges::any_of(
        config.portals, [](const Portal& one) { return !one.webhook.empty(); });
    if (!config.apps.empty() || has_webhook) {
        check_curl(config, findings);
        check_proxy(config, findings);
    }
    if (config.apps.empty()) return;
    const Millis now = wall_now();
    const std::optional<Millis> next = store.chores().next_chore();
    const Millis patience = 2 * pass_period(config);
    if (!next || *next > now - patience) return;
    findings.warning("sync",
                     "what Bitrix24 is to be asked has been due since " + iso_time(*next) +
                         " and was not done: no worker runs, or its log says why; this does it now",
                     findings.commands().line("sync"));
}

}  // namespace bx
