// Whose subscriptions a command shows and changes: those of an application that is installed on a
// portal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/portal_calls.h"
#include "cli/rest_command.h"
#include "sync/subscriptions.h"

namespace bx {

// The options of who chooses one: --portal and --app.
std::vector<Option> subscriber_options();

class Subscriber {
public:
    // PLACE and APP outlive it.
    Subscriber(const RestPlace& place, Installation one, const App& app, CallRight right,
               CallTimes times);
    Subscriber(const Subscriber&) = delete;
    Subscriber& operator=(const Subscriber&) = delete;

    const Installation& installation() const { return one_; }
    const App& app() const { return app_; }
    Subscriptions& subscriptions() { return subscriptions_; }
    RestAnswer ask(const MethodCall& call) { return calls_.ask(call); }

private:
    Installation one_;
    const App& app_;
    PortalCalls calls_;
    Subscriptions subscriptions_;
};

// The exit status of WORK with the one that ARGS mean.  Where there is none, or its application has
// no url, that is said as WHAT's failure, and the status is as that of `call`.  Throws UsageError,
// Error.
int with_subscriber(const Arguments& args, const std::string& what,
                    const std::function<int(Subscriber&)>& work);
// The same of ONE, of PLACE.
int with_installation(const Arguments& args, const RestPlace& place, const Installation& one,
                      const std::string& what, const std::function<int(Subscriber&)>& work);

// Why a call failed, for people, and the exit status of that.
int fail_with(const RestResult& result, const std::string& what);

}  // namespace bx
