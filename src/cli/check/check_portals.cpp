#include <algorithm>
#include <map>
#include <string>

#include "base/escape.h"
#include "base/shell.h"
#include "base/url.h"
#include "cli/check/findings.h"
#include "config/posts.h"

namespace bx {

namespace {

constexpr std::size_t long_key = 22;     // of 64 characters each: 128 bits
constexpr std::size_t usual_token = 32;  // characters of every application_token

// The file that PORTAL stands in.
const std::string& file_of(const Portal& portal, const Config& config) {
    return portal.line > 0 ? config.portals_file : config.path;
}

void check_tokens(const Portal& portal, const Config& config, Findings& findings) {
    std::string fix = edit_command(file_of(portal, config));
    if (std::ranges::find(portal.tokens, "APPLICATION_TOKEN") != portal.tokens.end()) {
        return findings.error(portal.place,
                              "its token is still the one of the example, which anybody can guess: "
                              "replace it with the application_token from Bitrix24",
                              fix);
    }
    for (const std::string& token : portal.tokens) {
        if (token.size() == usual_token) continue;
        findings.warning(portal.place,
                         "a token has " + std::to_string(token.size()) + " characters, " +
                             (token.size() < usual_token ? "fewer" : "more") +
                             " than Bitrix24's 32: copy the whole application_token and nothing "
                             "else",
                         fix);
    }
}

// Whoever runs one of two portals with one token can send events in the name of the other.
void check_shared_tokens(const Config& config, Findings& findings) {
    std::map<std::string, const Portal*> owners;
    for (const Portal& portal : config.portals) {
        for (const std::string& token : portal.tokens) {
            auto [found, is_new] = owners.emplace(token, &portal);
            if (is_new || found->second == &portal) continue;
            findings.warning(portal.place,
                             "has the same token as " + found->second->place +
                                 ": each can send events in the other's name; Bitrix24 gives each "
                                 "its own",
                             edit_command(file_of(portal, config)));
        }
    }
}

// Bitrix24 refuses a handler whose host has no dot.
void check_address(const App& app, const Config& config, Findings& findings) {
    if (app.client_id.empty()) return;
    if (app.url.empty()) {
        return findings.warning(app.place,
                                "has no url, so that portals which install it send no events here, "
                                "nor say that it was uninstalled: add the address of the gateway",
                                edit_command(config.path));
    }
    const std::optional<Url> url = parse_url(app.url);
    if (url && url->host.find('.') == std::string::npos) {
        findings.error(app.place,
                       "its url leads to '" + printable(url->host) +
                           "', which Bitrix24 does not take: the host has to be one of the Internet, "
                           "with a dot in its name",
                       edit_command(config.path));
    }
}

void check_app(const App& app, const Config& config, Findings& findings) {
    if (app.client_secret == "CLIENT_SECRET") {
        findings.error(app.place,
                       "its client_secret is still the one of the example: replace it with the one "
                       "that Bitrix24 shows beside the client_id",
                       edit_command(config.path));
    }
    check_globs(app.events, app.place, config.path, findings);
    check_address(app, config, findings);
}

// What CONFIG's posts prove is no more secret than their keys.
void check_posts(const Config& config, Findings& findings) {
    if (config.posts.empty()) return;
    for (const PostBlock& post : config.posts) {
        if (post.key.size() >= long_key) continue;
        findings.warning(place_of(post),
                         "its key has " + std::to_string(post.key.size()) +
                             " characters: one of 32 cannot be guessed ('openssl rand -hex 16' makes one)",
                         edit_command(config.path));
    }
    findings.warning(place_of(config.posts.front()),
                     "a key in a URL (?key=) gets into the web server's access log: give such posts "
                     "a location of their own with a name that is hard to guess, have it set "
                     "BXHOOK_KEY, and no log",
                     "edit the web server's configuration as bxhook.conf(5) shows (BXHOOK_KEY)");
}

}  // namespace

void check_portals(const Config& config, Findings& findings) {
    if (!config.has_portals()) {
        findings.error(config.path,
                       "no portal is configured, so every event is refused with 403: add a portal "
                       "block with the token from Bitrix24",
                       edit_command(config.path));
    }
    for (const Portal& portal : config.portals) check_tokens(portal, config, findings);
    check_shared_tokens(config, findings);
    for (const App& app : config.apps) check_app(app, config, findings);
    check_posts(config, findings);
}

}  // namespace bx
