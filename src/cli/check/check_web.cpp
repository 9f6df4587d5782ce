#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/url.h"
#include "cli/check/findings.h"
#include "cli/curl.h"
#include "config/value.h"
#include "gateway/post.h"
#include "host/accounts.h"
#include "host/systemd_unit.h"

namespace bx {

namespace {

constexpr std::size_t max_hooks = 20;  // to be asked for
constexpr Millis slow_answer = second;
// A web server that was told to reload answers by its old configuration for so long.
constexpr Millis reload_time = 2 * second;
constexpr Millis between_looks = 100;

bool is_gateway(const HttpAnswer& answer) {
    return answer.body.starts_with("bxhook: ");
}

std::string status_text(const HttpAnswer& answer) {
    return "answers " + std::to_string(answer.status);
}

// What to look at when the web server answers STATUS itself.
std::string fix_of_status(int status, const std::string& config_path) {
    if (status == 200 || status == 404) return "let the web server pass this URL to bxhook";
    if (status >= 502) {
        return unit_serves("bxhook.service", config_path)
                   ? "systemctl start bxhook.socket"
                   : "start the gateway, or look into the web server's error log";
    }
    return "look into the web server's error log";
}

// A server that serves the file instead of running it: BODY is bxhook.fcgi, script or binary.
bool is_program(const std::string& body) {
    return body.starts_with("#!") || body.starts_with("\x7F" "ELF");
}

std::string host_of(const std::string& url) {
    std::string host = url.substr(url.find("://") + 3);
    host = host.substr(0, host.find('/'));
    return host.find(':') == std::string::npos ? host + ":443" : host;
}

void tell_of_certificate(const std::string& url, const std::string& what, Findings& findings) {
    // What OpenSSL says when a certificate between the site's own and the root is not sent.
    bool cut = what.find("unable to get local issuer certificate") != std::string::npos;
    std::string place = url_for_people(url);
    findings.error(place,
                   what + (cut ? "; the chain is incomplete, or its authority is unknown: the web "
                                 "server must also send the intermediate certificates "
                                 "(fullchain.pem)"
                               : ""),
                   "openssl s_client -showcerts -connect " + shell_word(host_of(place)));
}

// Is the gateway asked, who answers?
void judge_get(const std::string& place, const HttpAnswer& answer, const Config& config,
               Findings& findings) {
    if (answer.status >= 300 && answer.status < 400) {
        findings.error(place, status_text(answer) + ", a redirect, which Bitrix24 does not follow",
                       "give Bitrix24 the URL that it redirects to");
    } else if (answer.body.find("\"error\":\"method_not_allowed\"") != std::string::npos) {
        findings.error(place,
                       status_text(answer) + " to GET: the gateway is there, but the web server "
                                             "does not pass it REQUEST_METHOD",
                       "put 'include fastcgi_params;' into that location of nginx");
    } else if (answer.status == 200 && is_program(answer.body)) {
        findings.error(place, "serves the program as a file instead of running it",
                       "let Apache run it (Options +ExecCGI), and a server in front of Apache "
                       "(nginx) pass it on");
    } else if (answer.status != 200 || !is_gateway(answer)) {
        findings.error(place, status_text(answer) + " and is not the gateway",
                       fix_of_status(answer.status, config.path));
    } else if (!answer.body.starts_with("bxhook: ready")) {
        findings.error(place,
                       "the gateway is not ready: its log shows why; often the web server runs it "
                       "as another user than " + user_name(::geteuid()) + ", whose store it is",
                       "look into bxhook's log (log.file, or state/bxhook.log), or the web "
                       "server's error log");
    }
}

HttpAnswer ask_once_reloaded(const std::string& url, Trust trust) {
    const Millis until = steady_now() + reload_time;
    HttpAnswer answer = ask_url(url, std::nullopt, "", trust);
    while (answer.status == 404 && !is_gateway(answer) && steady_now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(between_looks));
        answer = ask_url(url, std::nullopt, "", trust);
    }
    return answer;
}

// None: there was no answer.  TRUST becomes `any` when the certificate cannot be trusted.
std::optional<HttpAnswer> check_get(const std::string& url, Trust& trust, const Config& config,
                                    Findings& findings) {
    std::string place = url_for_people(url);
    try {
        HttpAnswer answer = [&] {
            try {
                return ask_once_reloaded(url, trust);
            } catch (const CertificateError& error) {
                tell_of_certificate(url, error.what(), findings);
                trust = Trust::any;
                return ask_once_reloaded(url, trust);
            }
        }();
        judge_get(place, answer, config, findings);
        if (answer.took >= slow_answer) {
            findings.warning(place,
                             "took " + std::to_string(answer.took) +
                                 " ms to answer: Bitrix24 calls a slow handler less often",
                             "curl -o /dev/null -w '%{time_connect} %{time_starttransfer}\\n' " +
                                 shell_word(place));
        }
        return answer;
    } catch (const Error& error) {
        findings.error(place, error.what(), "curl -v " + shell_word(place));
        return std::nullopt;
    }
}

// A POST with a token that cannot be right must be refused by the gateway itself.
void check_post(const std::string& url, Trust trust, Findings& findings) {
    HttpAnswer answer = ask_url(url,
                                "event=ONAPPTEST&auth%5Bmember_id%5D=" +
                                    std::string(probe_member_id) +
                                    "&auth%5Bapplication_token%5D=wrong-on-purpose",
                                "application/x-www-form-urlencoded", trust);
    bool refused = answer.status == 403 &&
                   answer.body.find("invalid_application_token") != std::string::npos;
    // That the gateway is not ready was said already.
    bool not_ready = answer.body.find("\"error\":\"unavailable\"") != std::string::npos;
    if (refused || not_ready) return;
    std::string what = "a POST with a wrong token " + status_text(answer) + ", not the gateway's 403";
    if (!answer.body.starts_with("{\"status\":")) {
        return findings.error(url_for_people(url),
                              what + ": the web server replaces the gateway's answer with a page "
                                     "of its own, or refuses POST itself",
                              "turn off fastcgi_intercept_errors (nginx) or ProxyErrorOverride "
                              "(Apache) for this URL, or what refuses POST there (a firewall)");
    }
    findings.error(url_for_people(url), what, "let POST through to the gateway, with its body");
}

// The directory above PATH that URL's directory shows, as far as it can be known: the one that
// holds .htbxhook/, bxhook.fcgi or this binary.
std::optional<std::string> web_directory(const std::string& path) {
    std::string beside = directory_of(own_binary());
    auto holds = [](const std::string& dir, const char* name) {
        return ::access(absolute_path(dir, name).c_str(), F_OK) == 0;
    };
    for (std::string dir = directory_of(path); dir.size() > 1; dir = directory_of(dir)) {
        if (dir.ends_with("/.htbxhook")) return directory_of(dir);
        if (dir == beside || holds(dir, "bxhook.fcgi") || holds(dir, "bxhook.cgi")) return dir;
    }
    return std::nullopt;
}

// Files below hooks_dir, one of each extension: many servers take some kinds of file for static.
// Without any hooks_dir itself.
std::vector<std::string> some_hooks(const std::string& hooks_dir) {
    std::map<std::string, std::string> by_extension;
    std::error_code error;
    std::filesystem::recursive_directory_iterator entry(hooks_dir, error);
    for (; !error && entry != end(entry); entry.increment(error)) {
        std::error_code ignored;
        if (by_extension.size() == max_hooks) break;
        if (!entry->is_regular_file(ignored)) continue;
        by_extension.emplace(entry->path().extension().string(), entry->path().string());
    }
    std::vector<std::string> hooks;
    for (const auto& [extension, path] : by_extension) hooks.push_back(path);
    if (hooks.empty()) hooks.push_back(hooks_dir + "/");
    return hooks;
}

std::string fix_of_served(const std::string& path) {
    std::string text = "move it out of the document root";
    if (path.find("/.htbxhook/") == std::string::npos) {
        return text + ", or into .htbxhook/ with an .htaccess that contains 'Require all denied'";
    }
    return text +
           ", or deny .htbxhook/: in its .htaccess 'Require all denied', in nginx in front of "
           "Apache 'location ~ /\\.ht { deny all; }'";
}

void check_hidden(const std::string& url, Trust trust, const Config& config, Findings& findings) {
    std::string bare = url.substr(0, url.find('?'));
    std::string base = bare.substr(0, bare.rfind('/') + 1);
    std::vector<std::string> paths = some_hooks(config.hooks_dir);
    if (config.store.is_file()) paths.insert(paths.begin(), config.store.address);
    paths.insert(paths.begin(), config.path);
    for (const std::string& path : paths) {
        std::optional<std::string> dir = web_directory(path);
        if (!dir) continue;
        std::string asked = base + percent_encoded(path.substr(dir->size() + 1), "/._-~");
        HttpAnswer answer = ask_url(asked, std::nullopt, "", trust);
        // A gateway that serves every URL below its own hands nothing out.
        if (answer.status == 403 || answer.status == 404 || is_gateway(answer)) continue;
        findings.error(url_for_people(asked), status_text(answer) + ": '" + path +
                                                  "' can be read over the web",
                       fix_of_served(path));
    }
}

}  // namespace

std::optional<Millis> check_web(const std::string& url, const Config& config, Findings& findings) {
    if (url.starts_with("http://")) {
        findings.warning(url_for_people(url), "tokens and events are sent unencrypted",
                         "use https://");
    }
    Trust trust = Trust::verify;
    std::optional<HttpAnswer> answer = check_get(url, trust, config, findings);
    if (!answer) return std::nullopt;
    try {
        if (answer->status == 200 && is_gateway(*answer)) check_post(url, trust, findings);
        check_hidden(url, trust, config, findings);
    } catch (const Error& error) {
        findings.error(url_for_people(url), error.what(), "");
    }
    return answer->took;
}

void check_app_urls(const std::string& given, const Config& config, Findings& findings) {
    std::set<std::string> seen{given, ""};
    for (const App& app : config.apps) {
        if (!seen.insert(app.url).second) continue;
        Trust trust = Trust::verify;
        const std::optional<HttpAnswer> answer = check_get(app.url, trust, config, findings);
        if (!answer || answer->status != 200 || !is_gateway(*answer)) continue;
        try {
            check_post(app.url, trust, findings);
        } catch (const Error& error) {
            findings.error(url_for_people(app.url), error.what(), "");
        }
    }
}

}  // namespace bx
