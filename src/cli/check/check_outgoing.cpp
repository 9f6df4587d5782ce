#include <time.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/check/findings.h"
#include "rest/endpoint.h"
#include "rest/http_pool.h"
#include "rest/oauth.h"

namespace bx {

namespace {

constexpr Millis patience = 10 * second;
// Beyond that certificates begin to look wrong, and so does which of two events was first.
constexpr Millis clock_tolerance = 5 * minute;

// The servers by which CONFIG's applications are verified and their tokens renewed.
std::vector<std::string> servers_of(const Config& config) {
    std::vector<std::string> servers;
    for (const App& app : config.apps) {
        for (const std::string& server : authorization_servers(app.server, config)) {
            if (std::ranges::find(servers, server) == servers.end()) servers.push_back(server);
        }
    }
    return servers;
}

HttpOutcome ask(const std::string& server, const Config& config) {
    HttpRequest request{.url = server + "/rest/app.info", .body = std::nullopt};
    request.with_headers = true;
    HttpSettings settings = settings_of(config.rest);
    settings.timeout = std::min(settings.timeout, patience);
    const Endpoints endpoints(config);
    return ask_http(request, settings, &endpoints);
}

// The time of a header "Date: Tue, 15 Nov 1994 08:12:31 GMT" in TEXT; none: it has none.
std::optional<Millis> date_in(const std::string& text) {
    const std::string low = lower(text);
    const std::size_t name = low.find("\ndate:");
    if (name == std::string::npos) return std::nullopt;
    const std::size_t begin = name + std::string_view("\ndate:").size();
    const std::string date(trim(text.substr(begin, text.find('\n', begin) - begin)));
    tm time{};
    if (::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time) == nullptr) {
        return std::nullopt;
    }
    return static_cast<Millis>(::timegm(&time)) * second;
}

void check_clock(const std::string& server, Millis theirs, Findings& findings) {
    const Millis ahead = wall_now() - theirs;
    if (std::max(ahead, -ahead) <= clock_tolerance) return;
    findings.warning("clock",
                     "this machine's clock is " + std::to_string(std::max(ahead, -ahead) / minute) +
                         " minutes " + (ahead > 0 ? "ahead of" : "behind") + " that of " + server +
                         ": certificates look wrong by it, and an uninstallation older or newer than "
                         "it is; have the machine set it by NTP",
                     "");
}

std::string advice_on(HttpFailure failure) {
    switch (failure) {
        case HttpFailure::forbidden:
            return ": this machine does not let us connect; a hosting account has outgoing "
                   "connections switched on by the host";
        case HttpFailure::unreachable:
        case HttpFailure::timed_out:
            return ": have outgoing connections to it allowed (https, port 443), or name the way out "
                   "of this machine by rest { proxy }";
        case HttpFailure::untrusted:
        case HttpFailure::bad_cacert:
            return ": the system's certificates are missing or old (package ca-certificates), or "
                   "others are needed, which rest { cacert } names; a wrong clock has the same look";
        default: return "";
    }
}

}  // namespace

void check_outgoing(const Config& config, Findings& findings) {
    std::vector<std::string> failures;
    const std::vector<std::string> servers = servers_of(config);
    for (const std::string& server : servers) {
        const HttpOutcome outcome = ask(server, config);
        if (outcome.answered()) {
            if (const auto date = date_in(outcome.body)) check_clock(server, *date, findings);
            return;  // another is for portals elsewhere
        }
        failures.push_back(server + ": " + outcome.cause + advice_on(outcome.failure));
    }
    if (failures.empty()) return;
    findings.error("rest",
                   "Bitrix24 cannot be asked from here, so that no installation is verified, no token "
                   "renewed and nothing called: " + failures.front(),
                   "");
}

}  // namespace bx
