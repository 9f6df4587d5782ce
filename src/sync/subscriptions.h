// The subscriptions of one installation: as the `app` block wants them, and as a person does.
//
// Each goes to the block's url.  Only what bxhook has subscribed to, which the store knows
// (store/bindings.h), is ever unsubscribed from; other handlers of the same application stay.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "rest/bindings.h"
#include "rest/oauth.h"
#include "store/bindings.h"

namespace bx {

// Who subscribes to it is told when the application is uninstalled; always wanted.
constexpr std::string_view end_event = "ONAPPUNINSTALL";
// What event.test sends; subscribed to for as long as somebody waits for it.
constexpr std::string_view test_event = "ONAPPTEST";

// EVENT is among the `events` of APP.
bool is_wanted(const App& app, std::string_view event);

// "'task'", "'im' or 'imbot'": the scopes that GLOB takes, a code or a glob, of which an
// application with those that were GRANTED has none; empty: it has one, or it is not known.
std::string lacking_scope(const std::string& glob, const std::string& granted);

struct ShownBinding {
    Binding binding;
    bool wanted = false;  // by the `app` block, or by a person; and it goes to the block's url
    bool own = false;     // bxhook subscribed to it
    bool by_hand = false; // since a person asked for it
};

struct ShownBindings {
    RestResult result;  // of a failure: why there are none
    std::vector<ShownBinding> all{};
    std::vector<OwnBinding> lost{};  // ours that the portal has no more
};

// One event, or a glob, for which there is no subscription, or still is.
struct BindingProblem {
    std::string event;
    RestResult result;
};

struct BindingChanges {
    RestResult result{};  // of a failure that ended it early
    std::vector<std::string> bound{};    // events
    std::vector<std::string> unbound{};
    std::vector<BindingProblem> problems{};

    bool is_complete() const { return result.succeeded() && problems.empty(); }
};

class Subscriptions {
public:
    // Calls with the right of the installation, each in its turn.
    using Ask = std::function<RestAnswer(const MethodCall&)>;

    // All but ONE outlive it.  What changes something, and read(), throws StoreError, and what ASK
    // throws.
    Subscriptions(Ask ask, Bindings& store, const Installation& one, const App& app);

    // What there is on the portal.
    ShownBindings read();
    // As the `app` block says: subscribes to what its `events` match in the portal's own list, to
    // what a person asked for, and to ONAPPUNINSTALL; takes back what is ours and not wanted any
    // more, or goes to another url.  Without `events` the rest stays as it is.
    BindingChanges keep();
    // Subscribes to what EVENTS, codes or globs, match, although the block does not have them: they
    // stay until unbind().
    BindingChanges bind(const std::vector<std::string>& events);
    // Subscribes to what test_call() has sent, until unbind(); where that is not done keep() does
    // it after a while.
    BindingChanges bind_test();
    // Takes OWNED back, which the store gave.
    BindingChanges unbind(const std::vector<OwnBinding>& owned);

private:
    struct Wanted {
        std::vector<std::string> events{};
        std::vector<BindingProblem> problems{};
    };
    RestResult read_portal();
    RestResult expand(const std::vector<std::string>& globs, Wanted& wanted);
    RestResult read_events();
    bool is_there(const std::string& event, const std::string& handler) const;
    void add(const std::vector<std::string>& events, const std::vector<OwnBinding>& known,
             bool by_hand, BindingChanges& changes);
    bool is_stale(const OwnBinding& one) const;
    void remove(const std::vector<OwnBinding>& owned, BindingChanges& changes);
    bool bind_one(const OwnBinding& one, bool is_known, BindingChanges& changes);
    bool unbind_one(const OwnBinding& one, BindingChanges& changes);

    Ask ask_;
    Bindings& store_;
    const InstallationId id_;
    const std::string scope_;
    const App& app_;
    std::vector<Binding> portal_{};    // what there is
    std::vector<std::string> events_{};  // that the portal lets the application have
    bool knows_events_ = false;
};

}  // namespace bx
