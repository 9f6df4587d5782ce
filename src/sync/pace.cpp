#include "sync/pace.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "store/errors.h"

namespace bx {

namespace {

// Of the 480 s that a method has in 10 minutes: below that nothing of it is noted.
constexpr Millis worth_a_note = minute;
// Who is killed before its turn has taken a place for nothing.
constexpr Millis farthest_turn = 5 * second;
// Where no answer told when a method's time is free again.
constexpr Millis least_block = 10 * second;
// A request reaches the portal some time after its turn, and a later one may overtake it: a tenth of
// the burst is kept for that, one call at least.
constexpr int kept_part = 10;

int burst_at_turn(int burst) { return std::max(burst - std::max(burst / kept_part, 1), 1); }

void sleep(Millis pause) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
}

}  // namespace

SharedPace::SharedPace(Limiter& limiter, std::string portal, std::string whose, CallRate rate,
                       Kind kind)
    : limiter_(limiter),
      portal_(std::move(portal)),
      whose_(std::move(whose)),
      rate_(rate),
      kind_(kind) {}

// Who leaves half of it takes no place in advance: it would stand in others' way.
bool SharedPace::wait_for_turn(const std::string& method, Millis until) {
    const bool leaves_half = kind_ == Kind::leaves_half;
    const CallRate rate{rate_.rate, leaves_half ? std::max(rate_.burst / 2, 1)
                                                : burst_at_turn(rate_.burst)};
    for (;;) {
        const Millis left = std::max<Millis>(until - steady_now(), 0);
        const Millis ahead = leaves_half ? 0 : std::min(left, farthest_turn);
        const Limiter::Turn turn = limiter_.take(called(method), rate, ahead);
        if (!turn.taken && turn.wait > left) return false;
        if (turn.wait > 0) sleep(turn.taken ? turn.wait : std::min(turn.wait, second));
        if (turn.taken) return true;
    }
}

// What is noted is advice to others: the answer counts, also where it cannot be noted.
Millis SharedPace::note(const std::string& method, const RestAnswer& answer) {
    const bool is_blocked = answer.cause == RestCause::operating_limit;
    try {
        if (answer.cause == RestCause::limit) limiter_.fill(portal_, rate_);
        if (is_blocked) return limiter_.block(called(method), least_block);
        if (answer.operating_ms.value_or(0) >= worth_a_note && answer.operating_reset_at) {
            limiter_.note_operating(called(method),
                                    *answer.operating_reset_at * second - wall_now());
        }
    } catch (const StoreError&) {
    }
    return is_blocked ? least_block : 0;
}

SharedPace pace_of(const SyncContext& context, const std::string& member_id,
                   const std::string& client_id) {
    const App* app = block_of(context.config, client_id);
    const CallRate rate = app == nullptr ? CallRate{} : CallRate{app->rate, app->burst};
    return {context.limiter, member_id, client_id, rate, SharedPace::Kind::leaves_half};
}

Millis turn_until(const SyncContext& context) {
    const Millis latest = steady_now() + longest_turn_wait;
    return context.http.until > 0 ? std::min(context.http.until, latest) : latest;
}

}  // namespace bx
