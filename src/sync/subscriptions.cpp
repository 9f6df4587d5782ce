#include "sync/subscriptions.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "event/catalog.h"

namespace bx {

namespace {

using Names = std::vector<std::string>;

// How often, and after what pause, one is asked for again that somebody else asks for just now.
constexpr int tries_beside_another = 5;
constexpr Millis pause_beside_another = second;
// After that nobody waits for a test any more.
constexpr Millis longest_test = 10 * minute;

bool is_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

// Those that bxhook or the portal has a use for, and that a glob does not mean: ONAPPINSTALL comes
// in any case, and what ONOFFLINEEVENT says nobody waits for.
bool is_of_the_application(std::string_view event) {
    constexpr std::array<std::string_view, 4> events{"ONAPPINSTALL", end_event, test_event,
                                                     "ONOFFLINEEVENT"};
    return std::ranges::find(events, event) != events.end();
}

bool matches(std::string_view glob, std::string_view event) {
    if (!is_glob(glob)) return equal_ignoring_case(glob, event);
    return !is_of_the_application(event) && glob_match(glob, event, true);
}

RestResult result_of(const RestAnswer& answer) {
    return {answer.cause, answer.text, answer.may_have_run};
}

RestResult no_list(const std::string& method) {
    return {RestCause::server, "the answer to " + method + " is no list", false};
}

void add_new(Names& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// A failure that another event would have too.
bool ends_all(const RestAnswer& answer) {
    const bool is_denied = lower(answer.code) == "access_denied";
    return answer.cause != RestCause::refused && !is_denied;
}

bool is_same(const OwnBinding& one, const OwnBinding& other) {
    return one.event == other.event && one.handler == other.handler;
}

bool has_scope(const std::string& granted, std::string_view scope) {
    std::string words = granted;
    std::ranges::replace(words, ' ', ',');
    return std::ranges::any_of(split(words, ','),
                               [&](std::string_view word) { return word == scope; });
}

// What the portal, which says that it has no event GLOB, does not say.
std::string why_unknown(const std::string& glob, const std::string& granted) {
    const std::string scope = lacking_scope(glob, granted);
    if (scope.empty()) return "the portal knows no such event";
    return "it takes the scope " + scope + ", which the application does not have there";
}

}  // namespace

bool is_wanted(const App& app, std::string_view event) {
    return event == end_event || std::ranges::any_of(app.events, [&](const std::string& glob) {
               return matches(glob, event);
           });
}

std::string lacking_scope(const std::string& glob, const std::string& granted) {
    Names lacking;
    const auto take = [&](const CatalogEvent& event) {
        const bool is_free = event.scope == "basic" || event.scope == "-";
        if (is_free || has_scope(granted, event.scope)) return false;
        add_new(lacking, "'" + std::string(event.scope) + "'");
        return true;
    };
    if (is_glob(glob)) {
        for (const CatalogEvent& event : catalog()) {
            if (matches(glob, event.code) && !take(event)) return "";
        }
    } else if (const CatalogEvent* event = find_event(glob)) {
        take(*event);
    }
    std::string text;
    for (const std::string& scope : lacking) text += (text.empty() ? "" : " or ") + scope;
    return text;
}

Subscriptions::Subscriptions(Ask ask, Bindings& store, const Installation& one, const App& app)
    : ask_(std::move(ask)), store_(store), id_(one.id), scope_(one.scope), app_(app) {}

RestResult Subscriptions::read_portal() {
    const RestAnswer answer = ask_(bindings_call());
    if (!answer.succeeded()) return result_of(answer);
    std::optional<std::vector<Binding>> read = bindings_in(*answer.find("result"));
    if (!read) return no_list("event.get");
    portal_ = std::move(*read);
    return {};
}

RestResult Subscriptions::read_events() {
    if (knows_events_) return {};
    const RestAnswer answer = ask_(events_call());
    if (!answer.succeeded()) return result_of(answer);
    std::optional<Names> read = events_in(*answer.find("result"));
    if (!read) return no_list("events");
    events_ = std::move(*read);
    knows_events_ = true;
    return {};
}

// A code is the portal's to judge, whose list may not have it: those of smart processes have the
// number of their type.
RestResult Subscriptions::expand(const Names& globs, Wanted& wanted) {
    for (const std::string& glob : globs) {
        if (!is_glob(glob)) {
            add_new(wanted.events, upper(glob));
            continue;
        }
        if (const RestResult read = read_events(); !read.succeeded()) return read;
        bool any = false;
        for (const std::string& event : events_) {
            if (!matches(glob, event)) continue;
            add_new(wanted.events, event);
            any = true;
        }
        if (any) continue;
        wanted.problems.push_back({glob, {RestCause::refused, why_unknown(glob, scope_), false}});
    }
    return {};
}

bool Subscriptions::is_there(const std::string& event, const std::string& handler) const {
    return std::ranges::any_of(portal_, [&](const Binding& one) {
        return !one.offline && one.event == event && one.handler == handler;
    });
}

ShownBindings Subscriptions::read() {
    ShownBindings shown{.result = read_portal()};
    const std::vector<OwnBinding> owned = store_.of(id_);
    std::ranges::copy_if(owned, std::back_inserter(shown.lost), [&](const OwnBinding& one) {
        return !one.offline && !is_there(one.event, one.handler);
    });
    for (const Binding& binding : portal_) {
        ShownBinding& one = shown.all.emplace_back(ShownBinding{binding});
        const auto own = std::ranges::find_if(owned, [&](const OwnBinding& other) {
            return other.event == binding.event && other.handler == binding.handler &&
                   other.offline == binding.offline;
        });
        one.own = own != owned.end();
        one.by_hand = one.own && own->by_hand;
        one.wanted = !binding.offline && binding.handler == app_.url &&
                     (one.by_hand || is_wanted(app_, binding.event));
    }
    return shown;
}

BindingChanges Subscriptions::keep() {
    BindingChanges changes;
    changes.result = read_portal();
    if (!changes.result.succeeded()) return changes;
    Wanted wanted{.events = {std::string(end_event)}};
    changes.result = expand(app_.events, wanted);
    if (!changes.result.succeeded()) return changes;
    changes.problems = std::move(wanted.problems);
    std::vector<OwnBinding> owned = store_.of(id_);
    std::erase_if(owned, [](const OwnBinding& one) { return one.offline; });
    for (const OwnBinding& one : owned) {
        if (one.by_hand) add_new(wanted.events, one.event);
    }
    add(wanted.events, owned, false, changes);
    std::erase_if(owned, [&](const OwnBinding& one) { return !is_stale(one); });
    if (changes.result.succeeded()) remove(owned, changes);
    return changes;
}

// One whose url is another now goes when that of now is there.
bool Subscriptions::is_stale(const OwnBinding& one) const {
    const bool wanted = one.by_hand || is_wanted(app_, one.event);
    const bool stays = one.handler == app_.url || !is_there(one.event, app_.url);
    if (wanted && stays) return false;
    if (one.event == test_event) return one.bound_at < wall_now() - longest_test;
    return !app_.events.empty() || one.event == end_event || one.by_hand;
}

BindingChanges Subscriptions::bind(const Names& events) {
    BindingChanges changes;
    changes.result = read_portal();
    if (!changes.result.succeeded()) return changes;
    Wanted wanted;
    changes.result = expand(events, wanted);
    if (!changes.result.succeeded()) return changes;
    changes.problems = std::move(wanted.problems);
    add(wanted.events, store_.of(id_), true, changes);
    return changes;
}

BindingChanges Subscriptions::bind_test() {
    BindingChanges changes;
    changes.result = read_portal();
    if (changes.result.succeeded()) add({std::string(test_event)}, store_.of(id_), false, changes);
    return changes;
}

BindingChanges Subscriptions::unbind(const std::vector<OwnBinding>& owned) {
    BindingChanges changes;
    changes.result = read_portal();
    if (changes.result.succeeded()) remove(owned, changes);
    return changes;
}

// They are ours from before they are asked for: what is there when this process dies is known.
// KNOWN: those of before.
void Subscriptions::add(const Names& events, const std::vector<OwnBinding>& known, bool by_hand,
                        BindingChanges& changes) {
    std::vector<OwnBinding> added;
    for (const std::string& event : events) {
        OwnBinding one{.event = event, .handler = app_.url};
        // That of the end is noted once it is there: until then it is looked for (upkeep.cpp).
        if (event != end_event) one.bound_at = wall_now();
        one.by_hand = (by_hand && !is_wanted(app_, event)) ||
                      std::ranges::any_of(known, [&](const OwnBinding& other) {
                          return other.event == event && other.by_hand;
                      });
        if (!is_there(event, app_.url)) added.push_back(std::move(one));
    }
    store_.add(id_, added);
    for (const OwnBinding& one : added) {
        const bool is_known = std::ranges::any_of(
            known, [&](const OwnBinding& other) { return is_same(one, other); });
        if (!bind_one(one, is_known, changes)) return;
    }
}

// IS_KNOWN: it was ours before.  False: none of the others can be bound either.
bool Subscriptions::bind_one(const OwnBinding& one, bool is_known, BindingChanges& changes) {
    RestAnswer answer;
    for (int tries = 0; tries < tries_beside_another; ++tries) {
        if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_beside_another));
        answer = ask_(bind_call(one.event, one.handler));
        if (!is_being_bound(answer)) break;
    }
    accept_if_so_already(answer);
    if (answer.succeeded()) {
        changes.bound.push_back(one.event);
        portal_.push_back({one.event, one.handler, false, "0"});
        return true;
    }
    RestResult result = result_of(answer);
    if (ends_all(answer)) {
        changes.result = std::move(result);
        return false;
    }
    if (!is_known) store_.remove(id_, {&one, 1});
    if (lower(answer.code) == "error_event_not_found") {
        result.text += ": " + why_unknown(one.event, scope_);
    }
    changes.problems.push_back({one.event, std::move(result)});
    return true;
}

void Subscriptions::remove(const std::vector<OwnBinding>& owned, BindingChanges& changes) {
    for (const OwnBinding& one : owned) {
        if (!unbind_one(one, changes)) return;
    }
}

// Others may have made one that differs in whose token comes with it: that stays.
bool Subscriptions::unbind_one(const OwnBinding& one, BindingChanges& changes) {
    const auto alike = std::ranges::count_if(portal_, [&](const Binding& other) {
        return !other.offline && other.event == one.event && other.handler == one.handler;
    });
    if (alike > 0) {
        const TokenOf whose = alike > 1 ? TokenOf::causer : TokenOf::anybody;
        const RestAnswer answer = ask_(unbind_call(one.event, one.handler, whose));
        if (!answer.succeeded()) {
            if (ends_all(answer)) {
                changes.result = result_of(answer);
                return false;
            }
            changes.problems.push_back({one.event, result_of(answer)});
            return true;
        }
        changes.unbound.push_back(one.event);
    }
    store_.remove(id_, {&one, 1});
    return true;
}

}  // namespace bx
