#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/escape.h"
#include "base/fd.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/url.h"
#include "cli/command.h"
#include "cli/hook_run.h"
#include "cli/open.h"
#include "cli/output.h"
#include "config/secrets.h"
#include "event/secrets.h"
#include "rest/answer.h"
#include "rest/http_pool.h"
#include "rest/standard_webhook.h"
#include "store/records.h"

namespace bx {

namespace {

// sysexits.h, as hooks end.
constexpr int refused = 65, not_now = 75, wrong_settings = 78;

constexpr std::size_t max_answer = 4096;        // bytes; what is shown of it is less
constexpr std::size_t max_event = max_http_body;
constexpr std::size_t min_hidden = 6;           // bytes of a part of the URL, as of other secrets

// What ends the command, with its exit status.
class Failure : public Error {
public:
    Failure(int exit_status, const std::string& why) : Error(why), status(exit_status) {}
    int status;
};

// URL must be one; none of it is told, since it may have a secret in it.
Url checked_url(const std::string& text) {
    const std::optional<Url> url = parse_url(text);
    if (!url || (url->scheme != "https" && url->scheme != "http")) {
        throw UsageError("URL is not an address: it must be https://host/path, or http");
    }
    return *url;
}

// The parts of URL that an answer may repeat, and that may be secret.
std::vector<std::string> hidden_parts(const Url& url) {
    std::vector<std::string> parts{url.after_host, url.user.value_or("")};
    constexpr std::string_view separators = "/?&=#:";
    std::string text = url.after_host + "/" + url.user.value_or("");
    std::ranges::replace_if(
        text, [&](char c) { return separators.find(c) != std::string_view::npos; }, ' ');
    for (const std::string_view part : split(text, ' ')) parts.emplace_back(part);
    std::erase_if(parts, [](const std::string& part) { return part.size() < min_hidden; });
    return parts;
}

std::string variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? "" : value;
}

std::optional<std::string> signing_key() {
    const std::string name(forward_secret);
    if (std::getenv(name.c_str()) == nullptr) return std::nullopt;
    std::optional<std::string> key = webhook_key(variable(name));
    if (key) return key;
    throw Failure(wrong_settings,
                  name + " is not base64 (`openssl rand -base64 32` makes a secret)");
}

// The event on stdin as JSON.
std::string event_body(bool with_secrets) {
    std::string text;
    try {
        text = read_all(STDIN_FILENO, "stdin", max_event);
    } catch (const Error& error) {
        throw Failure(refused, error.what());
    }
    if (trim(text).empty()) {
        throw Failure(refused, "stdin is empty: something else in the hook has read the event");
    }
    const std::optional<JsonText> event = JsonText::parse(text);
    if (!event) throw Failure(refused, "stdin is not JSON, as an event is");
    if (with_secrets) return std::string(event->text());
    return event->without(is_secret_key);
}

int status_of(HttpFailure failure) {
    switch (failure) {
        case HttpFailure::too_large: return refused;
        case HttpFailure::no_curl:
        case HttpFailure::bad_curl:
        case HttpFailure::bad_cacert: return wrong_settings;
        default: return not_now;
    }
}

int status_of(int answered) {
    constexpr std::array temporary{408, 425, 429};
    if (answered >= 200 && answered <= 299) return 0;
    const bool passes =
        answered >= 500 || std::ranges::find(temporary, answered) != temporary.end();
    return passes ? not_now : refused;
}

std::string text_of(const HttpOutcome& outcome) {
    if (!outcome.answered()) return outcome.cause;
    const std::string status = "status " + std::to_string(outcome.status);
    if (outcome.status >= 300 && outcome.status <= 399) {
        return status + ", a redirect, which is not followed: give the URL that it leads to";
    }
    const std::string_view body = trim(outcome.body);
    return body.empty() ? status : status + ": " + std::string(body);
}

void forward(const Arguments& args, const HookRun& hook, const Url& url) {
    ConfigPtr config;
    try {
        config = config_of(args, ConfigPart::sync);
    } catch (const Error& error) {
        throw Failure(wrong_settings, error.what());
    }
    const std::optional<std::string> key = signing_key();
    HttpRequest request{.url = args.words().front(),
                        .body = event_body(args.has("--secrets")),
                        .content_type = "application/json",
                        .max_answer = max_answer,
                        .may_be_cut = true};
    request.headers = webhook_headers(to_string(DeliveryName{hook.event, hook.hook}), wall_now(),
                                      *request.body, key);
    // Certificates and proxy of `rest { }` are for the way to Bitrix24.
    HttpSettings settings;
    settings.curl = config->rest.curl;
    settings.timeout = config->rest.timeout;
    settings.until = end_of_hook().value_or(0);
    const HttpOutcome outcome = ask_http(request, settings, nullptr);
    const int status =
        outcome.answered() ? status_of(outcome.status) : status_of(outcome.failure);
    if (status == 0) return;
    std::vector<std::string> hidden = forms_of_secret(variable(std::string(forward_secret)));
    std::ranges::move(hidden_parts(url), std::back_inserter(hidden));
    throw Failure(status, url.host + ": " + shown_of_server(text_of(outcome), hidden));
}

int run(const Arguments& args) {
    // An unexpected argument would be told, and may be a part of a URL with a blank in it.
    if (args.words().size() > 1) throw UsageError("forward: one URL, and nothing else");
    const Url url = checked_url(args.words().front());
    const std::optional<HookRun> hook = this_hook_run();
    if (!hook) {
        throw UsageError("forward is for hooks: it sends the event that a hook gets "
                         "(to try one: bxhook run N/HOOK)");
    }
    try {
        forward(args, *hook, url);
        return 0;
    } catch (const Failure& failure) {
        remark("forward: " + std::string(failure.what()));
        return failure.status;
    }
}

}  // namespace

Command forward_command() {
    Command command;
    command.name = "forward";
    command.synopsis = "URL";
    command.summary = "in a hook: send the event on to another service, signed";
    command.help = R"(
In a hook: sends the event on stdin as JSON, by POST, to URL.  A hook that does only this
is one line:

  exec "$BXHOOK" forward https://erp.example/bitrix24

Tokens and other secrets of the event are left out; with --secrets they are sent too.
With a FORWARD_SECRET in the hook's env { } the request is signed as Standard Webhooks
(standardwebhooks.com): webhook-signature from the secret, webhook-id, which is N/HOOK and
the same for each attempt, webhook-timestamp and the body.  The secret is base64, with or
without whsec_ before it:

  openssl rand -base64 32

The exit status is 0 when the service answered with 2xx; 75, try again, for 408, 425, 429,
5xx and no answer; 78 when the secret or curl does not fit; else 65.  The time is that of
rest { timeout }, and a second less than the hook has. No redirect is followed.

Messages name the host alone.  URL is an argument, which every user of the machine can
see while it runs.
)";
    command.options = {{"--secrets", "", "send the event's tokens too"}};
    command.min_words = 1;
    command.max_words = 1000;
    command.run = run;
    return command;
}

}  // namespace bx
