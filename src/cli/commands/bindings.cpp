#include <algorithm>

#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/subscriber.h"
#include "cli/terminal/table.h"
#include "report/json.h"
#include "report/wording.h"

namespace bx {

namespace {

std::string as_json(const std::vector<ShownBinding>& all) {
    std::string text;
    JsonWriter json(text);
    json.begin_array();
    for (const ShownBinding& one : all) {
        json.begin_object().field("event", one.binding.event);
        json.key("handler").value_or_null(one.binding.handler);
        json.field("type", one.binding.offline ? "offline" : "online");
        json.field("wanted", one.wanted).field("own", one.own).end_object();
    }
    json.end_array();
    return json_line(text);
}

std::string owner_of(const ShownBinding& one) {
    if (!one.own) return "others";
    return one.by_hand ? "bxhook, by hand" : "bxhook";
}

std::string as_text(const std::vector<ShownBinding>& all) {
    Table table({{"EVENT"}, {"TYPE", false, 0, 2}, {"MADE BY", false, 0, 1}, {"HANDLER", false, 12}},
                Screen::of_stdout());
    for (const ShownBinding& one : all) {
        table.add({printable(one.binding.event), std::string(one.binding.offline ? "offline" : "online"),
                   {owner_of(one), one.wanted ? Colour::green : Colour::none},
                   printable(one.binding.handler)});
    }
    return table.take();
}

int show(const Arguments& args, Subscriber& subscriber) {
    const ShownBindings shown = subscriber.subscriptions().read();
    if (!shown.result.succeeded()) return fail_with(shown.result, "event.get");
    if (args.has("--json")) {
        print(as_json(shown.all));
    } else if (shown.all.empty()) {
        remark("the application has no subscription on that portal: 'bxhook bind' makes those that "
               "its `app` block wants");
    } else {
        print(as_text(shown.all));
    }
    return 0;
}

// -- Changing them

std::string lines(const char* verb, const std::vector<std::string>& events) {
    std::string text;
    for (const std::string& event : events) text += verb + printable(event) + "\n";
    return text;
}

int tell(const BindingChanges& changes, const std::string& what) {
    print(lines("bound ", changes.bound) + lines("unbound ", changes.unbound));
    for (const BindingProblem& problem : changes.problems) {
        remark(what + ": " + printable(problem.event) + ": " + problem.result.text);
    }
    if (!changes.result.succeeded()) return fail_with(changes.result, what);
    if (!changes.problems.empty()) return 1;
    if (changes.bound.empty() && changes.unbound.empty()) print("nothing to change\n");
    return 0;
}

void check_events(const Arguments& args) {
    for (const std::string& word : args.words()) {
        if (word.empty()) throw UsageError("EVENT is empty: give a code or a glob");
    }
}

int bind(const Arguments& args, Subscriber& subscriber) {
    const std::vector<std::string>& events = args.words();
    return tell(events.empty() ? subscriber.subscriptions().keep()
                               : subscriber.subscriptions().bind(events),
                "bind");
}

bool is_meant(const std::vector<std::string>& words, const std::string& event) {
    return std::ranges::any_of(
        words, [&](const std::string& word) { return glob_match(word, event, true); });
}

// Of one that unbind is not to take back.
std::string why_it_stays(const ShownBinding& one, const App& app) {
    const std::string event = printable(one.binding.event);
    if (one.own && one.binding.event == end_event) {
        return "by it bxhook is told that the application was uninstalled";
    }
    if (one.own) {
        return "take it out of the `events` of " + app.place +
               ", which want it, then 'bxhook bind' unbinds it";
    }
    return "others bound it to '" + printable(one.binding.handler) +
           "', not bxhook; 'bxhook call event.unbind event=" + event +
           " handler=URL' unbinds it all the same";
}

// None of what the `app` block wants: it would be there again tomorrow.
int unbind(const Arguments& args, Subscriber& subscriber) {
    const ShownBindings shown = subscriber.subscriptions().read();
    if (!shown.result.succeeded()) return fail_with(shown.result, "event.get");
    const App& app = subscriber.app();
    std::vector<OwnBinding> owned;
    for (const OwnBinding& one : shown.lost) {
        if (is_meant(args.words(), one.event) && !is_wanted(app, one.event)) owned.push_back(one);
    }
    bool any_stays = false;
    for (const ShownBinding& one : shown.all) {
        const std::string& event = one.binding.event;
        if (one.binding.offline || !is_meant(args.words(), event)) continue;
        if (one.own && !(one.wanted && is_wanted(app, event))) {
            owned.push_back({.event = event, .handler = one.binding.handler});
            continue;
        }
        any_stays = true;
        remark("unbind: " + printable(event) + " stays: " + why_it_stays(one, app));
    }
    if (any_stays && owned.empty()) return 1;
    const int status = tell(subscriber.subscriptions().unbind(owned), "unbind");
    return status == 0 && any_stays ? 1 : status;
}

}  // namespace

Command bindings_command() {
    Command command;
    command.name = "bindings";
    command.synopsis = "[--portal P]";
    command.summary = "show the subscriptions of an application on a portal";
    command.help = R"(
Shows which events the portal posts for the application, and where: its subscriptions,
also those that others made, which bxhook leaves alone.  The portal is --portal, a
domain or member_id, or the only one.  It exits as `call` does.
)";
    command.options = subscriber_options();
    command.json = true;
    command.run = [](const Arguments& args) {
        return with_subscriber(args, "bindings",
                               [&](Subscriber& subscriber) { return show(args, subscriber); });
    };
    return command;
}

Command bind_command() {
    Command command;
    command.name = "bind";
    command.synopsis = "[EVENT...]";
    command.summary = "subscribe an application to events of a portal";
    command.help = R"(
Makes the subscriptions that the `events` of the `app` block say, as the worker does by
itself after an installation and daily, and prints what it changed.  A glob means what
it matches of the portal's own list of events.  Subscriptions that bxhook made and that
are not wanted any more are taken back; those of others stay.  Each goes to the block's
`url`.

With EVENT, a code or glob, it subscribes to these as well, although the block does not
have them: they stay until `unbind`.

Exit status 1 when an event cannot be bound, which is said with the reason; when the
portal cannot be asked as `call` does.
)";
    command.options = subscriber_options();
    command.max_words = 1000;
    command.run = [](const Arguments& args) {
        check_events(args);
        return with_subscriber(args, "bind",
                               [&](Subscriber& subscriber) { return bind(args, subscriber); });
    };
    return command;
}

Command unbind_command() {
    Command command;
    command.name = "unbind";
    command.synopsis = "EVENT...";
    command.summary = "take back subscriptions that bxhook made";
    command.help = R"(
Takes back the subscriptions to EVENT, a code or glob, that bxhook made.  Those of
others stay, and those that the `app` block wants: take them out of its `events`, then
`bxhook bind` unbinds them.  The exit status is 1 when one stays; when the portal cannot
be asked it is as that of `call`.
)";
    command.options = subscriber_options();
    command.min_words = 1;
    command.max_words = 1000;
    command.run = [](const Arguments& args) {
        check_events(args);
        return with_subscriber(args, "unbind",
                               [&](Subscriber& subscriber) { return unbind(args, subscriber); });
    };
    return command;
}

}  // namespace bx
