#include <algorithm>

#include "base/escape.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event_portal.h"
#include "cli/output.h"
#include "cli/rest_command.h"
#include "report/json.h"
#include "sync/tokens.h"

namespace bx {

namespace {

constexpr Millis usual_left = 5 * minute;
constexpr Millis most_left = 50 * minute;  // a token lives for an hour

int fail(int status, const std::string& why) { return end_with(status, "token", why); }

Millis least_left_of(const Arguments& args) {
    const Millis left = duration_option(args, "--min", usual_left);
    if (left > most_left) {
        throw UsageError("--min is 50m at most, since an access token lives for an hour");
    }
    return std::max(left, least_left);
}

void print_token(const InstallationWithTokens& known) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.field("access_token", known.tokens.access);
    json.key("client_endpoint").value_or_null(known.installation.client_endpoint);
    write_time(json, "expires_at", known.tokens.expires_at);
    json.end_object();
    print(json_line(text));
}

int give(const Arguments& args, Millis left, const RestPlace& place) {
    const PortalChoice choice = choose_portal(args, place.config, place.store, place.hook);
    if (!choice.installation) return fail(choice.status, choice.why);
    const Installation& one = *choice.installation;
    const GoodTokens tokens =
        good_tokens(place.store.installations(), place.config.path, one.id, left);
    if (!tokens.result.succeeded()) {
        return fail(exit_status_of(tokens.result.cause, Right::application),
                    printable(one.domain.empty() ? one.member_id : one.domain) + ": " +
                        tokens.result.text);
    }
    print_token(tokens.known);
    return 0;
}

int run(const Arguments& args) {
    if (stdout_is_terminal() && !args.has("--secrets")) {
        throw UsageError("an access token is a secret: on a terminal add --secrets");
    }
    const Millis left = least_left_of(args);
    return run_rest_command(
        args, "token", [&](const RestPlace& place) { return give(args, left, place); });
}

}  // namespace

Command token_command() {
    Command command;
    command.name = "token";
    command.synopsis = "[--portal P] [--min D]";
    command.summary = "print an access token of an installation, for an SDK";
    command.help = R"(
Prints {"access_token","client_endpoint","expires_at"} on one line, for an SDK or curl in
a hook.  The token is good for --min longer at least, and is renewed before where it is
not; renewing it is left to bxhook: another renewal would end the tokens it keeps.
In a hook the portal is that of its event; another one takes `call any` in the hook's
block.  Elsewhere it is --portal, a domain or member_id, or the only one.  With several
applications on a portal --app names one.

  token=$("$BXHOOK" token) || exit

in a hook, whose environment has BXHOOK and BXHOOK_CONFIG, exits with 75 when trying
again helps (network, server, installation pending or broken), 77 without the right
(plan, user), 78 when the configuration does not fit.
On a terminal it prints nothing without --secrets.
)";
    command.options = {{"--portal", "P", "domain or member_id of the portal"},
                       app_option(),
                       {"--min", "D", "how long it has to be good for, 50m at most (5m)"},
                       {"--secrets", "", "also on a terminal"}};
    command.run = run;
    return command;
}

}  // namespace bx
