#include "cli/curl.h"

#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "rest/http_pool.h"

namespace bx {

namespace {

constexpr std::size_t max_answer = std::size_t{1} << 20;
constexpr std::size_t max_url = 8000;

[[noreturn]] void throw_failure(const std::string& url, const HttpOutcome& outcome) {
    const std::string place = "'" + url_for_people(url) + "'";
    switch (outcome.failure) {
        case HttpFailure::untrusted:
            throw CertificateError("the certificate of " + place +
                                   " cannot be trusted: " + outcome.cause);
        case HttpFailure::no_curl: throw Error(outcome.cause);
        default: throw Error("no answer from " + place + ": " + outcome.cause);
    }
}

}  // namespace

HttpAnswer ask_url(const std::string& url, const std::optional<std::string>& body,
                   const std::string& content_type, Trust trust) {
    check_url(url);
    const HttpRequest request{.url = url,
                              .body = body,
                              .content_type = content_type,
                              .trust = trust,
                              .max_answer = max_answer,
                              .may_be_cut = true};
    HttpOutcome outcome = ask_http(request, HttpSettings{}, nullptr);
    if (!outcome.answered()) throw_failure(url, outcome);
    outcome.body.resize(std::min(outcome.body.size(), max_answer));
    return {outcome.status, outcome.took, std::move(outcome.body)};
}

void check_url(const std::string& url) {
    bool known = url.starts_with("http://") || url.starts_with("https://");
    bool plain = std::ranges::all_of(
        url, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7F'; });
    if (!known || !plain || url.size() > max_url) {
        throw UsageError("'" + printable(url) + "' is not a URL (https://host/path)");
    }
}

std::string url_for_people(const std::string& url) {
    std::string shown = url.substr(0, url.find('?'));
    std::size_t begin = shown.find("://");
    begin = begin == std::string::npos ? 0 : begin + 3;
    std::size_t end = std::min(shown.find('/', begin), shown.size());
    std::size_t at = shown.substr(0, end).rfind('@');
    if (at != std::string::npos && at >= begin) shown.erase(begin, at + 1 - begin);
    return printable(shown);
}

}  // namespace bx
