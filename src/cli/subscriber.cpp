#include "cli/subscriber.h"

#include <utility>

#include "base/escape.h"
#include "cli/event_portal.h"
#include "sync/context.h"

namespace bx {

namespace {

int with_chosen(const Arguments& args, const RestPlace& place, const std::string& what,
                const std::function<int(Subscriber&)>& work) {
    const PortalChoice choice = choose_portal(args, place.config, place.store, place.hook);
    if (choice.installation) {
        return with_installation(args, place, *choice.installation, what, work);
    }
    const std::string why =
        choice.is_absent ? ", and a webhook has no subscriptions: what it posts is chosen on the portal"
                         : "";
    return end_with(choice.status, what, choice.why + why);
}

}  // namespace

std::vector<Option> subscriber_options() {
    return {{"--portal", "P", "domain or member_id of the portal"}, app_option()};
}

Subscriber::Subscriber(const RestPlace& place, Installation one, const App& app, CallRight right,
                       CallTimes times)
    : one_(std::move(one)),
      app_(app),
      calls_(place, std::move(right), times),
      subscriptions_([this](const MethodCall& call) { return calls_.ask(call); },
                     place.store.bindings(), one_, app_) {}

int with_subscriber(const Arguments& args, const std::string& what,
                    const std::function<int(Subscriber&)>& work) {
    return run_rest_command(args, what, [&](const RestPlace& place) {
        return with_chosen(args, place, what, work);
    });
}

int with_installation(const Arguments& args, const RestPlace& place, const Installation& one,
                      const std::string& what, const std::function<int(Subscriber&)>& work) {
    RightChoice choice = application_right(place.config, place.store, one);
    if (!choice.right) return end_with(choice.status, what, choice.why);
    const App* app = block_of(place.config, one.client_id);
    if (app == nullptr) {
        return fail_with({RestCause::no_authorization, "it is not verified yet", false}, what);
    }
    if (app->url.empty()) {
        return fail_with({RestCause::wrong_client,
                          app->place + " has no `url`: add the address of the gateway, where events "
                                       "are to go", false},
                         what);
    }
    Subscriber subscriber(place, one, *app, std::move(*choice.right), call_times(args));
    return work(subscriber);
}

int fail_with(const RestResult& result, const std::string& what) {
    return end_with(exit_status_of(result.cause, Right::application), what, result.text);
}

}  // namespace bx
