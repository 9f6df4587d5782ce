#include "rest/answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/escape.h"
#include "base/moment.h"
#include "base/text.h"
#include "config/secrets.h"

namespace bx {

namespace {

constexpr std::size_t dots = 3;               // what printable() adds where it cuts
constexpr std::size_t max_text = 500 - dots;  // bytes
constexpr std::size_t max_code = 100 - dots;

RestCause cause_of(HttpFailure failure) {
    switch (failure) {
        case HttpFailure::none: return RestCause::none;
        case HttpFailure::unreachable: return RestCause::unreachable;
        case HttpFailure::timed_out:
        case HttpFailure::untrusted:
        case HttpFailure::no_tls:
        case HttpFailure::cut: return RestCause::lost;
        case HttpFailure::too_large: return RestCause::too_large;
        case HttpFailure::not_allowed:
        case HttpFailure::forbidden:
        case HttpFailure::no_curl:
        case HttpFailure::bad_curl:
        case HttpFailure::bad_cacert: break;
    }
    return RestCause::local;
}

// Of an answer without `error`, or that is no JSON.
RestCause cause_of_status(int status) {
    if (status >= 300 && status < 400) return RestCause::renamed;
    if (status == 429) return RestCause::limit;
    return RestCause::server;
}

// The whole number that TEXT, a JSON number, begins with.
std::optional<std::int64_t> whole(std::string_view text) {
    return parse_number(text.substr(0, text.find_first_of(".eE")));
}

// What ERROR, `error` of JSON, says.  Of REST 3 it is an object of its own.
void read_error(const JsonText& json, const JsonText& error,
                const std::vector<std::string>& secrets, RestAnswer& answer) {
    const auto code = error.is_object() ? error.find("code") : std::optional(error);
    const auto told = error.is_object() ? error.find("message") : json.find("error_description");
    const std::string word = code ? code->string() : "";
    const std::string description = told && !told->is_null() ? told->string() : "";
    answer.cause = cause_of_error(word);
    answer.code = printable(without_secrets(word, secrets), max_code);
    const bool both = !word.empty() && !description.empty();
    const std::string text = word + (both ? ": " : "") + description;
    answer.text = shown_of_server(text.empty() ? "an error without a name" : text, secrets);
}

std::string text_of_status(int status, bool is_json) {
    const std::string code = std::to_string(status);
    if (status >= 300 && status < 400) {
        return "status " + code + ", a redirect: the portal has another name now";
    }
    return "status " + code + (is_json ? " without an error" : " and a body that is not JSON");
}

// The body may be HTML, or a megabyte of it: none of it is shown.
void read_status(RestAnswer& answer) {
    answer.cause = cause_of_status(answer.status);
    answer.text = text_of_status(answer.status, answer.json && answer.json->is_object());
}

}  // namespace

RestCause cause_of_error(const std::string& code) {
    // What is not here is what the method itself has against the call.
    static constexpr std::array<std::pair<std::string_view, RestCause>, 32> meanings{{
        {"query_limit_exceeded", RestCause::limit},
        {"operation_time_limit", RestCause::operating_limit},
        {"overload_limit", RestCause::overload},
        {"expired_token", RestCause::expired_token},
        {"invalid_token", RestCause::bad_token},
        {"no_auth_found", RestCause::bad_token},
        {"invalid_credentials", RestCause::bad_token},
        {"error_oauth", RestCause::bad_token},
        {"insufficient_scope", RestCause::no_right},
        {"invalid_scope", RestCause::no_right},
        {"access_denied", RestCause::no_right},
        {"wrong_auth_type", RestCause::no_right},
        {"wrong_license", RestCause::no_right},
        {"authorization_error", RestCause::no_right},  // the user was dismissed
        {"user_access_error", RestCause::no_right},    // the user may not use the application
        {"method_confirm_denied", RestCause::no_right},
        {"method_confirm_waiting", RestCause::confirmation},
        {"payment_required", RestCause::unpaid},
        {"not_installed", RestCause::not_installed},
        {"application_not_found", RestCause::not_installed},
        {"portal_deleted", RestCause::portal_gone},
        {"connection_error", RestCause::no_authorization},
        {"invalid_grant", RestCause::bad_grant},
        {"bad_verification_code", RestCause::bad_grant},
        {"expired_refresh_token", RestCause::bad_grant},
        {"wrong_client", RestCause::wrong_client},
        {"invalid_client", RestCause::wrong_client},
        {"unauthorized_client", RestCause::wrong_client},
        {"internal_server_error", RestCause::server},
        {"error_unexpected_answer", RestCause::server},
        {"service_unavailable", RestCause::server},
        {"temporarily_unavailable", RestCause::server},
    }};
    const std::string low = lower(code);
    const auto found =
        std::ranges::find(meanings, low, [](const auto& each) { return each.first; });
    return found == meanings.end() ? RestCause::refused : found->second;
}

int exit_status_of(RestCause cause, Right right) {
    switch (cause) {
        case RestCause::none: return 0;
        case RestCause::refused:
        case RestCause::too_large: return 65;
        case RestCause::no_right: return 77;
        case RestCause::bad_token:
            if (right == Right::event) return 77;
            [[fallthrough]];
        case RestCause::renamed: return right == Right::webhook ? 78 : 75;
        case RestCause::expired_token: return right == Right::event ? 77 : 75;
        case RestCause::wrong_client:
        case RestCause::portal_gone:
        case RestCause::local: return 78;
        case RestCause::limit:
        case RestCause::operating_limit:
        case RestCause::overload:
        case RestCause::unpaid:
        case RestCause::not_installed:
        case RestCause::confirmation:
        case RestCause::no_authorization:
        case RestCause::bad_grant:
        case RestCause::server:
        case RestCause::unreachable:
        case RestCause::lost:
        case RestCause::foreign: break;
    }
    return 75;
}

Repeat RestAnswer::repeat() const {
    switch (cause) {
        case RestCause::limit:
        case RestCause::no_authorization: return Repeat::yes;
        case RestCause::unreachable:
        case RestCause::lost:
        case RestCause::server: return may_have_run ? Repeat::if_idempotent : Repeat::yes;
        default: return Repeat::no;
    }
}

void read_operating(const JsonText& time, RestAnswer& answer) {
    if (const auto reset_at = time.find("operating_reset_at")) {
        answer.operating_reset_at = whole(reset_at->string());
        if (answer.operating_reset_at > last_moment) answer.operating_reset_at.reset();
    }
    if (const auto operating = time.find("operating")) {
        const std::string text = operating->string();
        const std::size_t point = std::min(text.find('.'), text.size());
        std::string thousandths = text.substr(std::min(point + 1, text.size()), 3);
        thousandths.resize(3, '0');
        const auto seconds = parse_number(std::string_view(text).substr(0, point));
        const auto rest = parse_number(thousandths);
        if (seconds && rest && *seconds < 1000000) answer.operating_ms = *seconds * 1000 + *rest;
    }
}

std::optional<JsonText> RestAnswer::find(std::string_view name) const {
    return json ? json->find(name) : std::nullopt;
}

RestAnswer answer_of(HttpOutcome outcome, const std::vector<std::string>& secrets) {
    RestAnswer answer;
    answer.status = outcome.status;
    answer.may_have_run = outcome.may_have_run;
    if (!outcome.answered()) {
        answer.cause = cause_of(outcome.failure);
        answer.text = shown_of_server(outcome.cause, secrets);
        return answer;
    }
    answer.body = std::make_unique<const std::string>(std::move(outcome.body));
    answer.json = JsonText::parse(*answer.body);
    if (!answer.json || !answer.json->is_object()) {
        read_status(answer);
        return answer;
    }
    if (const auto time = answer.json->find("time")) read_operating(*time, answer);
    const std::optional<JsonText> error = answer.json->find("error");
    if (error && !error->is_null()) {
        read_error(*answer.json, *error, secrets, answer);
    } else if (answer.status < 200 || answer.status > 299) {
        read_status(answer);
    }
    return answer;
}

std::string shown_of_server(const std::string& text, const std::vector<std::string>& secrets) {
    return printable(without_secrets(text, secrets), max_text);
}

}  // namespace bx
