#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"
#include "cli/call_order.h"
#include "cli/call_right.h"
#include "cli/command.h"
#include "cli/event_portal.h"
#include "cli/output.h"
#include "cli/portal_calls.h"
#include "cli/rest_command.h"
#include "cli/terminal/progress.h"
#include "report/json.h"
#include "rest/batch.h"
#include "rest/pages.h"

namespace bx {

namespace {

int fail(const MethodCall& call, const RestAnswer& answer, Right right) {
    return end_with(exit_status_of(answer.cause, right), call.method, answer.text);
}

std::string one_line(std::string_view json) {
    std::string line(json);
    // Between values: in a string they are escaped.
    std::ranges::replace_if(
        line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return json_line(line);
}

int show(const MethodCall& call, const RestAnswer& answer, Right right, bool raw) {
    if (raw && answer.json) print(one_line(answer.json->text()));
    if (!answer.succeeded()) return fail(call, answer, right);
    if (!raw) print(one_line(answer.find("result")->text()));
    return 0;
}

// Every item on a line of its own.
int list_all(const MethodCall& call, const ListReader::Ask& ask, Right right) {
    Progress progress("reading " + call.method);
    std::size_t shown = 0;
    const auto give = [&](const std::vector<JsonText>& items, std::size_t total) {
        std::string lines;
        for (const JsonText& item : items) lines += one_line(item.text());
        progress.clear();
        print(lines);
        shown += items.size();
        progress.at(shown, total);
    };
    const ListEnd end = ListReader(call, ask, give).read();
    progress.clear();
    if (end.cause == RestCause::none) return 0;
    std::string why = end.text;
    if (!end.last_id.empty()) why += "; the last one printed is " + end.last_id;
    if (!end.name_of_id.empty()) {
        why += ": after it 'filter[>" + end.name_of_id + "]=" + end.last_id + "' goes on";
    }
    return end_with(exit_status_of(end.cause, right), call.method, why);
}

int send_batch(const std::vector<BatchCall>& calls, const BatchSender::Ask& ask, Right right,
               Pace& pace) {
    Progress progress("calling");
    std::size_t shown = 0;
    const auto give = [&](const std::string& line) {
        progress.clear();
        print(one_line(line));
        progress.at(++shown, calls.size());
    };
    const auto note = [&](const std::string& method, const RestAnswer& answer) {
        pace.note(method, answer);
    };
    const BatchEnd end = BatchSender(right, ask, give, note).send(calls);
    progress.clear();
    if (end.failed == 0) return 0;
    const RestCause cause = end.may_repeat ? RestCause::server : RestCause::refused;
    return end_with(exit_status_of(cause, right), "batch",
                    std::to_string(end.failed) + " of " + std::to_string(calls.size()) + " failed" +
                        (end.text.empty() ? "" : ": " + end.text));
}

int call_with(const Arguments& args, const CallOrder& order, const RestPlace& place) {
    const CallTimes times = call_times(args);
    RightChoice choice = choose_right(args, place.config, place.store, place.hook);
    if (!choice.right) return end_with(choice.status, order.call.method, choice.why);
    PortalCalls calls(place, std::move(*choice.right), times,
                      order.all ? SharedPace::Kind::leaves_half : SharedPace::Kind::usual);
    const auto ask = [&calls](const MethodCall& call) { return calls.ask(call); };
    if (args.has("--batch")) return send_batch(order.batch, ask, calls.right(), calls.pace());
    if (order.all) return list_all(order.call, ask, calls.right());
    return show(order.call, ask(order.call), calls.right(), order.raw);
}

int run(const Arguments& args) {
    const CallOrder order = call_order(args);
    return run_rest_command(args, order.call.method, [&](const RestPlace& place) {
        return call_with(args, order, place);
    });
}

}  // namespace

Command call_command() {
    Command command;
    command.name = "call";
    command.synopsis = "METHOD [NAME=VALUE...] | --batch FILE";
    command.summary = "call a REST method of Bitrix24";
    command.help = R"(
Calls METHOD and prints its result as JSON.  NAME=VALUE is sent as in a form, in that
order: 'fields[TITLE]=New' is a nested one.  In a hook the portal is that of its event;
another one takes `call any` in the hook's block.  Elsewhere it is --portal, a domain or
member_id, or the only one.

  "$BXHOOK" call crm.deal.get id="$BX_ID"
  bxhook call crm.deal.list --all 'filter[>=OPPORTUNITY]=1000'
  bxhook call crm.deal.update id=7 'fields[STAGE_ID]=WON'

Calls have the right of the application that is installed there; without one that of the
`webhook` of the portal's block; without one, in a hook, that of the event's own token.
All calls to a portal share its limit (`rate`, `burst`).  Until --wait is over a call is
repeated that did not run, and one that only reads (get, list, fields) or --idempotent
also when its answer was lost.

--batch reads lines of {"id","method","params"} and prints, in their order, lines of
{"id","result"} or {"id","error"}.

It exits with 0, 65 when the method refused, 75 when trying again helps (limits, network,
server, installation pending or broken), 77 without the right (scope, plan, user), 78 when
the configuration does not fit.  So a hook that ends with this status is run again when
that helps.
)";
    command.options = {{"--portal", "P", "domain or member_id of the portal"},
                       app_option(),
                       as_option(),
                       {"--json", "FILE", "the arguments as a JSON object (-: stdin)"},
                       {"--all", "", "every item of a list, one JSON line each"},
                       {"--batch", "FILE", "many calls, as JSON lines (-: stdin)"},
                       {"--raw", "", "print the whole answer, not its result alone"},
                       {"--v3", "", "a method of REST 3"},
                       {"--idempotent", "", "repeat it also when it may have run"},
                       wait_option()};
    command.max_words = std::numeric_limits<std::size_t>::max();
    command.run = run;
    return command;
}

}  // namespace bx
