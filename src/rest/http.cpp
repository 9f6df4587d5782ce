#include "rest/http.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"
#include "base/url.h"

namespace bx {

namespace {

// A line of curl's config file.
std::string line(std::string_view key, std::string_view value) {
    std::string quoted;
    for (char c : value) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return std::string(key) + " = \"" + quoted + "\"\n";
}

// What others wrote must not become a line of its own there.  A name of a host in another script is
// for people to type, and not in what Bitrix24 sends.
void require_printable(std::string_view text, bool ascii_only) {
    const bool fits = std::ranges::all_of(text, [ascii_only](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= ' ' && byte != 0x7F && (byte < 0x80 || !ascii_only);
    });
    if (!fits) throw Error("a URL or a header of it is not printable ASCII");
}

std::string seconds(Millis time) {  // whole ones, which every curl takes
    return std::to_string(std::max<Millis>(1, (time + second - 1) / second));
}

// curl's own codes (libcurl-errors(3)).
HttpFailure failure_of(int exit_status) {
    static constexpr std::array<std::pair<int, HttpFailure>, 29> meanings{{
        {1, HttpFailure::bad_curl},      // a protocol it does not have
        {2, HttpFailure::bad_curl},      // an option it does not know
        {3, HttpFailure::bad_curl},      // a URL it cannot read
        {4, HttpFailure::bad_curl},      // a feature it does not have
        {5, HttpFailure::unreachable},   // no such proxy
        {6, HttpFailure::unreachable},   // no such host
        {7, HttpFailure::unreachable},
        {28, HttpFailure::timed_out},
        {35, HttpFailure::no_tls},
        {48, HttpFailure::bad_curl},
        {51, HttpFailure::untrusted},    // until 7.62: the name in the certificate
        {53, HttpFailure::no_tls},
        {54, HttpFailure::no_tls},
        {58, HttpFailure::no_tls},
        {59, HttpFailure::no_tls},
        {60, HttpFailure::untrusted},
        {63, HttpFailure::too_large},
        {64, HttpFailure::no_tls},
        {66, HttpFailure::no_tls},
        {77, HttpFailure::bad_cacert},
        {80, HttpFailure::no_tls},
        {82, HttpFailure::untrusted},
        {83, HttpFailure::untrusted},
        {90, HttpFailure::untrusted},
        {91, HttpFailure::untrusted},
        {97, HttpFailure::unreachable},  // the proxy's handshake
        {98, HttpFailure::untrusted},
        {126, HttpFailure::bad_curl},
        {127, HttpFailure::bad_curl},
    }};
    const auto found = std::ranges::find(meanings, exit_status,
                                         [](const auto& each) { return each.first; });
    return found == meanings.end() ? HttpFailure::cut : found->second;
}

// "0.012345", or with a comma, in milliseconds.
Millis parse_seconds(std::string_view text) {
    const std::size_t point = std::min(text.find_first_of(".,"), text.size());
    std::string thousandths(text.substr(std::min(point + 1, text.size()), 3));
    thousandths.resize(3, '0');
    return parse_number(text.substr(0, point)).value_or(0) * second +
           parse_number(thousandths).value_or(0);
}

bool is_zero(std::string_view text) {
    return text.find_first_of("123456789") == std::string_view::npos;
}

// The last line of OUTPUT, which curl_config asked for, becomes a part of OUTCOME; the rest is the
// body.
void read_report(std::string output, HttpOutcome& outcome) {
    const std::size_t end = output.rfind('\n');
    const std::vector<std::string_view> report =
        split(std::string_view(output).substr(end == std::string::npos ? 0 : end + 1), ' ');
    if (end != std::string::npos && report.size() == 3) {
        outcome.status = static_cast<int>(parse_number(report[0]).value_or(0));
        outcome.took = parse_seconds(report[1]);
        outcome.may_have_run = !is_zero(report[2]);
    }
    output.resize(std::min(end, output.size()));
    outcome.body = std::move(output);
}

// "curl: (60) SSL certificate problem: ...", and lines of advice.
std::string cause_of(const std::string& complaint) {
    const std::string_view first =
        trim(std::string_view(complaint).substr(0, complaint.find('\n')));
    return printable(first.empty() ? "curl failed" : first);
}

}  // namespace

HttpSettings settings_of(const Rest& rest) {
    return {rest.curl, rest.cacert, rest.proxy, rest.timeout, true};
}

std::string curl_config(const HttpRequest& request, const HttpSettings& settings,
                        std::string_view address, Millis time) {
    require_printable(request.url, settings.https_only);
    require_printable(request.content_type, true);
    for (const std::string& header : request.headers) require_printable(header, true);
    std::string text = line("url", request.url) + line("max-time", seconds(time)) +
                       line("proto", settings.https_only ? "=https" : "=http,https") +
                       line("user-agent", "bxhook") +
                       "write-out = \"\\n%{http_code} %{time_total} %{time_pretransfer}\"\n";
    const std::optional<Url> url = parse_url(request.url);
    if (!address.empty() && url) {
        const int port = url->port.value_or(url->scheme == "https" ? 443 : 80);
        const std::string place = url->host + ":" + std::to_string(port) + ":";
        text += line("resolve", place + std::string(address));
    }
    if (request.trust == Trust::any) text += "insecure\n";
    if (request.with_headers) text += "include\n";
    if (!settings.cacert.empty()) text += line("cacert", settings.cacert);
    if (settings.proxy && !settings.proxy->empty()) text += line("proxy", *settings.proxy);
    for (const std::string& header : request.headers) text += line("header", header);
    if (!request.body) return text;
    return text + line("header", "Content-Type: " + request.content_type) +
           line("header", "Expect:") +  // no pause for 100 Continue
           line("data-binary", "@-");
}

std::vector<std::string> curl_environment(const HttpSettings& settings) {
    constexpr std::array<std::string_view, 5> names{"PATH", "HOME", "LANG", "TZ",
                                                    "BX_RUN"};  // it ends with the hook
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        std::string_view name(*variable);
        name = name.substr(0, name.find('='));
        const bool is_proxy = name.ends_with("_proxy") || name.ends_with("_PROXY");
        const bool wanted = std::ranges::find(names, name) != names.end() ||
                            (is_proxy && !settings.proxy) || name.starts_with("SSL_CERT_") ||
                            name.starts_with("CURL_");
        if (wanted) variables.emplace_back(*variable);
    }
    return variables;
}

std::string too_long(const HttpRequest& request) {
    return "the answer is longer than " + std::to_string(request.max_answer) + " bytes";
}

HttpOutcome outcome_of(int wait_status, std::string output, bool cut, const std::string& complaint,
                       const HttpRequest& request) {
    HttpOutcome outcome;
    read_report(std::move(output), outcome);
    if (cut && !request.may_be_cut) {
        outcome.failure = HttpFailure::too_large;
        outcome.cause = too_long(request);
    } else if (!WIFEXITED(wait_status)) {
        outcome.failure = HttpFailure::cut;
        outcome.may_have_run = true;
        outcome.cause = "signal " + std::to_string(WTERMSIG(wait_status)) + " ended curl";
    } else if (const int status = WEXITSTATUS(wait_status); status != 0) {
        outcome.failure = failure_of(status);
        outcome.cause = cause_of(complaint);
    } else if (outcome.status == 0) {
        outcome.failure = HttpFailure::bad_curl;
        outcome.cause = "it is no curl: it names no status";
    }
    return outcome;
}

}  // namespace bx
