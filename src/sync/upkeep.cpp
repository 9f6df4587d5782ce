#include "sync/upkeep.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/escape.h"
#include "rest/caller.h"
#include "sync/access.h"
#include "sync/pace.h"
#include "sync/renewal_process.h"
#include "sync/subscriptions.h"

namespace bx {

namespace {

// Of events, as a person reads them: the first ten.
std::string listed(const std::vector<std::string>& names) {
    constexpr std::size_t most = 10;
    std::string text;
    for (const std::string& name : std::span(names).first(std::min(most, names.size()))) {
        text += (text.empty() ? "" : ", ") + printable(name);
    }
    const std::size_t more = names.size() - std::min(most, names.size());
    return more == 0 ? text : text + " and " + std::to_string(more) + " more";
}

// The calls of sync itself to the portal of ONE, until UNTIL (steady).
class OwnCalls {
public:
    OwnCalls(const SyncContext& context, const Installation& one, Millis until)
        : access_(context.installations, context.config.path, one.id, false),
          pace_(pace_of(context, one.member_id, one.client_id)),
          caller_({access_, pace_, context.endpoints, context.http}),
          until_(until) {}

    RestAnswer ask(const MethodCall& call) {
        return caller_.call(call, std::min(until_, steady_now() + longest_turn_wait));
    }

private:
    InstallationAccess access_;
    SharedPace pace_;
    Caller caller_;
    Millis until_;
};

// Whether BINDING is that which says that ONE is gone, to the url of APP.
bool is_end_of(const OwnBinding& binding, const App& app) {
    return binding.event == end_event && binding.handler == app.url;
}

// Without `events` there is nothing to look at but that, once after each installation: a daily look
// would have the tokens renewed daily too.
bool is_left_alone(const SyncContext& context, const Installation& one, const App& app) {
    if (!app.events.empty()) return false;
    return std::ranges::any_of(context.bindings.of(one.id), [&](const OwnBinding& binding) {
        return is_end_of(binding, app) && binding.bound_at >= one.installed_at;
    });
}

// It was there just now.
void note_end(const SyncContext& context, const Installation& one, const App& app) {
    for (OwnBinding& binding : context.bindings.of(one.id)) {
        if (!is_end_of(binding, app) || binding.bound_at >= one.installed_at) continue;
        binding.bound_at = wall_now();
        context.bindings.add(one.id, {&binding, 1});
    }
}

// Those that cannot be bound, each reason once: "ONTASKADD, ONTASKUPDATE: it takes the scope ..."
std::string described(const std::vector<BindingProblem>& problems) {
    std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
    for (const BindingProblem& problem : problems) {
        const auto same = std::ranges::find_if(
            reasons, [&](const auto& one) { return one.first == problem.result.text; });
        if (same != reasons.end()) same->second.push_back(problem.event);
        else reasons.push_back({problem.result.text, {problem.event}});
    }
    std::string text;
    for (const auto& [why, events] : reasons) {
        text += (text.empty() ? "" : "; ") + listed(events) + ": " + why;
    }
    return text;
}

}  // namespace

ChoreEnd renew_idle(const SyncContext& context, const Installation& one) {
    if (block_of(context.config, one.client_id) == nullptr) return {ChoreEnd::Kind::later, ""};
    const RestResult result =
        renew_apart(context.config.path, {.id = one.id, .seen = one.renewed_at.value_or(0)},
                    {context.http.until});
    if (result.succeeded()) {
        context.tell(news_of(one, SyncNews::Kind::done, "tokens renewed"));
        return {};
    }
    context.tell(news_of(one, SyncNews::Kind::in_vain, "cannot renew its tokens", result.text));
    // Who does not pay today may tomorrow.
    const bool tomorrow = result.cause == RestCause::unpaid || is_refused(result.cause);
    const bool is_said = result.text.starts_with(unrenewed_problem);
    return {tomorrow ? ChoreEnd::Kind::later : ChoreEnd::Kind::in_vain,
            (is_said ? "" : std::string(unrenewed_problem)) + result.text};
}

ChoreEnd keep_subscriptions(const SyncContext& context, const Installation& one) {
    const App* app = block_of(context.config, one.client_id);
    if (app == nullptr || app->url.empty()) return {ChoreEnd::Kind::later, ""};
    if (is_left_alone(context, one, *app)) return {ChoreEnd::Kind::until_tomorrow};
    const Millis end = steady_now() + subscribing_lasts;
    OwnCalls calls(context, one, context.http.until > 0 ? std::min(context.http.until, end) : end);
    Subscriptions subscriptions([&](const MethodCall& call) { return calls.ask(call); },
                                context.bindings, one, *app);
    const BindingChanges changes = subscriptions.keep();
    const auto tell = [&](const std::string& what, const std::vector<std::string>& events) {
        if (events.empty()) return;
        context.tell(news_of(one, SyncNews::Kind::done, what + listed(events)));
    };
    tell("subscribed to ", changes.bound);
    tell("unsubscribed from ", changes.unbound);
    if (changes.is_complete()) {
        note_end(context, one, *app);
        return {ChoreEnd::Kind::until_tomorrow};
    }
    const bool is_over = !changes.result.succeeded();
    // Without it nobody would say that it is uninstalled.
    const bool lacks_end = std::ranges::find(changes.problems, end_event, &BindingProblem::event) !=
                           changes.problems.end();
    const std::string why = is_over ? changes.result.text : described(changes.problems);
    context.tell(news_of(one, SyncNews::Kind::in_vain, "cannot subscribe", why));
    return {is_over || lacks_end ? ChoreEnd::Kind::in_vain : ChoreEnd::Kind::later,
            std::string(unsubscribed_problem) + why};
}

RestResult end_subscriptions(const SyncContext& context, const Installation& one) {
    const App* app = block_of(context.config, one.client_id);
    if (app == nullptr) {
        return {RestCause::wrong_client, "no `app` block has its client_id", false};
    }
    OwnCalls calls(context, one, steady_now() + subscribing_lasts);
    Subscriptions subscriptions([&](const MethodCall& call) { return calls.ask(call); },
                                context.bindings, one, *app);
    const BindingChanges changes = subscriptions.unbind(context.bindings.of(one.id));
    RestResult result = changes.result;
    if (result.succeeded() && !changes.problems.empty()) result = changes.problems.front().result;
    const bool is_gone =
        result.cause == RestCause::not_installed || result.cause == RestCause::portal_gone;
    return is_gone ? RestResult{} : result;
}

}  // namespace bx
