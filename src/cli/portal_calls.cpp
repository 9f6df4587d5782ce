#include "cli/portal_calls.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace bx {

namespace {

constexpr Millis usual_wait = 30 * second;

HttpSettings http_settings(const Config& config, Millis end) {
    HttpSettings http = settings_of(config.rest);
    if (end != Timer::never) http.until = end;
    return http;
}

}  // namespace

Option wait_option() { return {"--wait", "D", "how long to wait for a turn and repeat (30s)"}; }

CallTimes call_times(const Arguments& args) {
    CallTimes times;
    times.wait = duration_option(args, "--wait", usual_wait);
    if (times.wait > day) throw UsageError("--wait is 1d at most");
    if (const std::optional<Millis> end = end_of_hook()) times.end = *end;
    return times;
}

PortalCalls::PortalCalls(const RestPlace& place, CallRight right, CallTimes times,
                         SharedPace::Kind kind)
    : right_(std::move(right)),
      times_(times),
      pace_(place.store.limiter(), right_.portal, right_.whose, right_.rate, kind),
      endpoints_(place.config),
      caller_({*right_.access, pace_, endpoints_, http_settings(place.config, times.end)}) {}

RestAnswer PortalCalls::ask(const MethodCall& call) {
    try {
        return caller_.call(call, std::min(steady_now() + times_.wait, times_.end));
    } catch (const Error& error) {  // in a while it may do
        return without_answer(RestCause::server, error.what());
    }
}

}  // namespace bx
