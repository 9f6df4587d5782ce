#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/text.h"
#include "cli/curl.h"
#include "cli/findings.h"

namespace bx {

namespace {

bool is_gateway(const HttpAnswer& answer) {
    return answer.body.starts_with("bxhook: ");
}

std::string status_text(const HttpAnswer& answer) {
    return "answers " + std::to_string(answer.status);
}

// False: nothing more need be asked.
bool check_get(const std::string& url, Findings& findings) {
    std::string place = url_for_people(url);
    HttpAnswer answer;
    try {
        answer = ask_url(url);
    } catch (const Error& error) {
        findings.error(place, error.what(), "curl -v " + shell_word(place));
        return false;
    }
    if (answer.status >= 300 && answer.status < 400) {
        findings.error(place, status_text(answer) + ", a redirect, which Bitrix24 does not follow",
                       "give Bitrix24 the URL it leads to");
    } else if (answer.status != 200 || !is_gateway(answer)) {
        findings.error(place, status_text(answer) + " and is not the gateway",
                       "look into the web server's error log");
    } else if (!answer.body.starts_with("bxhook: ready")) {
        findings.error(place, "the gateway is not ready", "look into its log: why stands there");
    }
    return answer.status == 200 && is_gateway(answer);
}

// A POST with a token that cannot be right must be refused by the gateway itself.
void check_post(const std::string& url, Findings& findings) {
    HttpAnswer answer = ask_url(url,
                                "event=ONAPPTEST&auth%5Bmember_id%5D=check"
                                "&auth%5Bapplication_token%5D=wrong-on-purpose");
    bool refused = answer.status == 403 &&
                   answer.body.find("invalid_application_token") != std::string::npos;
    if (refused) return;
    findings.error(url_for_people(url),
                   "a POST with a wrong token " + status_text(answer) + ", not the gateway's 403",
                   "let POST through to the gateway, its body too");
}

// The directory that URL's directory shows, as far as it can be known: the one that holds
// .htbxhook/, bxhook.fcgi or this binary.
std::optional<std::string> web_directory(const Config& config) {
    std::string beside = directory_of(own_binary());
    auto holds = [](const std::string& dir, const char* name) {
        return ::access(absolute_path(dir, name).c_str(), F_OK) == 0;
    };
    for (std::string dir = directory_of(config.path); dir.size() > 1; dir = directory_of(dir)) {
        if (dir.ends_with("/.htbxhook")) return directory_of(dir);
        if (dir == beside || holds(dir, "bxhook.fcgi") || holds(dir, "bxhook.cgi")) return dir;
    }
    return std::nullopt;
}

// A file in hooks_dir, or hooks_dir itself when it is empty.
std::string some_hook(const std::string& hooks_dir) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(hooks_dir, ignored)) {
        return entry.path().string();
    }
    return hooks_dir + "/";
}

std::string url_path(const std::string& path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view plain = "/._-~";
    std::string text;
    for (char c : path) {
        bool keep = is_alphanumeric(c) || plain.find(c) != std::string_view::npos;
        auto byte = static_cast<unsigned char>(c);
        if (keep) text += c;
        else text.append("%").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return text;
}

void check_hidden(const std::string& url, const Config& config, Findings& findings) {
    std::optional<std::string> dir = web_directory(config);
    if (!dir) return;
    std::string bare = url.substr(0, url.find('?'));
    std::string base = bare.substr(0, bare.rfind('/') + 1);
    for (const std::string& path : {config.path, config.store, some_hook(config.hooks_dir)}) {
        if (!path.starts_with(*dir + "/")) continue;
        std::string asked = base + url_path(path.substr(dir->size() + 1));
        HttpAnswer answer = ask_url(asked);
        // A gateway that serves every URL below its own hands nothing out.
        if (answer.status == 403 || answer.status == 404 || is_gateway(answer)) continue;
        findings.error(url_for_people(asked), status_text(answer) + ": '" + path +
                                                  "' may be read through the web",
                       "move it outside the document root, or into .htbxhook/ with an .htaccess "
                       "that says 'Require all denied'");
    }
}

}  // namespace

void check_web(const std::string& url, const Config& config, Findings& findings) {
    if (url.starts_with("http://")) {
        findings.warning(url_for_people(url), "tokens and events come unencrypted",
                         "use https://");
    }
    if (!check_get(url, findings)) return;
    try {
        check_post(url, findings);
        check_hidden(url, config, findings);
    } catch (const Error& error) {
        findings.error(url_for_people(url), error.what(), "");
    }
}

}  // namespace bx
