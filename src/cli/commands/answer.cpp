#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/event_portal.h"
#include "cli/portal_calls.h"
#include "cli/rest_command.h"
#include "event/payload.h"
#include "rest/call_fields.h"

namespace bx {

namespace {

int say(int status, const std::string& why) { return end_with(status, "answer", why); }

int fail(RestCause cause, const std::string& why) {
    return say(exit_status_of(cause, Right::application), why);
}

// What the workflow gets, but for the token that says which one it is.
std::string answer_fields(const Arguments& args) {
    std::string fields = form_below("RETURN_VALUES", args.words());
    if (args.has("--log")) {
        if (!fields.empty()) fields += '&';
        fields += form_field("LOG_MESSAGE", args.value("--log"));
    }
    return fields;
}

int send(const Arguments& args, const RestPlace& place, const std::string& token,
         const std::string& fields) {
    const CallTimes times = call_times(args);
    RightChoice choice = choose_right(args, place.config, place.store, place.hook);
    if (!choice.right) return say(choice.status, choice.why);
    MethodCall call{.method = "bizproc.event.send", .body = form_field("EVENT_TOKEN", token)};
    if (!fields.empty()) call.body += '&' + fields;
    call.secrets = {token};
    call.idempotent = true;  // a workflow takes one answer, and true is said to each
    PortalCalls calls(place, std::move(*choice.right), times);
    const RestAnswer answer = calls.ask(call);
    if (answer.succeeded()) return 0;
    return say(exit_status_of(answer.cause, calls.right()), call.method + ": " + answer.text);
}

int answer_event(const Arguments& args, const RestPlace& place, const std::string& fields) {
    const std::string event = "event " + std::to_string(place.hook->event);
    const std::optional<StoredEvent> stored = place.store.view().event(place.hook->event);
    if (!stored) return fail(RestCause::wrong_client, "there is no " + event);
    const bool erased = stored->secrets_erased;
    const Tree body = decode_payload(stored->body, stored->secrets,
                                     erased ? Secrets::hide : Secrets::keep);
    const Value token = body.at("event_token");
    if (!token.is_text()) {
        return fail(RestCause::wrong_client,
                    event + " is not of a robot or an activity: it has no event_token");
    }
    const auto nobody_waits = [&](const char* why) {
        return say(0, "nobody waits for the answer to " + event + ", " + why + ": none is sent");
    };
    if (equal_ignoring_case(body.at("use_subscription").text(), "N")) {
        return nobody_waits("whose use_subscription is N");
    }
    if (stored->origin == Origin::test) return nobody_waits("which is a test");
    if (erased) {
        return fail(RestCause::no_right, "the event_token of " + event +
                                             " was erased: it cannot be answered any more");
    }
    return send(args, place, std::string(token.text()), fields);
}

int run(const Arguments& args) {
    const std::string fields = answer_fields(args);
    if (!this_hook_run()) {
        throw UsageError("answer is for hooks: it answers the robot or activity whose event the "
                         "hook gets (to try one: bxhook run N/HOOK)");
    }
    return run_rest_command(args, "answer", [&](const RestPlace& place) {
        return answer_event(args, place, fields);
    });
}

}  // namespace

Command answer_command() {
    Command command;
    command.name = "answer";
    command.synopsis = "[NAME=VALUE...]";
    command.summary = "in a hook of a robot or activity: give the workflow its values";
    command.help = R"(
In a hook of a robot or an activity: sends what it returns, so that the workflow that
waits for it goes on.  NAME is one of the RETURN_PROPERTIES with which it was registered.

  "$BXHOOK" answer total=240 'tags[]=new' --log "two items were counted"

It is bizproc.event.send with the event_token of the hook's event, called as `call` calls
a method: with the same right (scope bizproc), in its turn, repeated until --wait is over.
Where several applications are installed on the portal it is the one that sent the robot.
The first answer counts; to a later one Bitrix24 says the same.

Nothing is sent, and it says so, where nobody waits: when the robot was registered with
USE_SUBSCRIPTION=N, and to an event of `bxhook trigger`.

The exit status is that of `call`: 0, 65 when the method refused, 75 when trying again
helps, 77 without the right, and when the event's secrets were erased, 78 when the
configuration does not fit, or the event is not of a robot or an activity.
)";
    command.options = {{"--log", "TEXT", "a line for the workflow's log"},
                       app_option(),
                       as_option(),
                       wait_option()};
    command.max_words = std::numeric_limits<std::size_t>::max();
    command.run = run;
    return command;
}

}  // namespace bx
