#include "rest/caller.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

#include "base/random.h"
#include "rest/http_pool.h"

namespace bx {

namespace {

// How long to wait before each repetition: a second, doubled each time, 10 % more or less.
class Backoff {
public:
    Millis next() {
        const Millis jitter = static_cast<Millis>(random_bits() % 201) - 100;  // thousandths
        const Millis pause = pause_ + pause_ * jitter / 1000;
        pause_ = std::min(pause_ * 2, longest);
        return pause;
    }

private:
    static constexpr Millis longest = 30 * second;
    Millis pause_ = second;
};

bool may_repeat(const MethodCall& call, const RestAnswer& answer) {
    switch (answer.repeat()) {
        case Repeat::yes:
            return true;
        case Repeat::if_idempotent:
            return call.idempotent || reads_only(call.method);
        case Repeat::no:
            break;
    }
    return answer.cause == RestCause::operating_limit;
}

bool needs_another_right(const RestAnswer& answer) {
    return answer.cause == RestCause::expired_token || answer.cause == RestCause::renamed;
}

}  // namespace

RestAnswer without_answer(RestCause cause, std::string text) {
    RestAnswer answer;
    answer.cause = cause;
    answer.text = std::move(text);
    return answer;
}

RestAnswer Caller::call(const MethodCall& call, Millis until) {
    Backoff backoff;
    bool was_renewed = false;
    GivenGrant given = way_.access.grant(way_.http.until);
    for (;;) {
        if (!given.result.succeeded()) return without_answer(given.result.cause, given.result.text);
        if (!way_.pace.wait_for_turn(call.method, until)) {
            return without_answer(RestCause::limit, std::string(no_turn));
        }
        RestAnswer answer = ask(call, given.grant);
        const Millis closed = way_.pace.note(call.method, answer);
        if (needs_another_right(answer) && !was_renewed) {
            was_renewed = true;
            given = way_.access.renewed(answer.cause, way_.http.until);
            if (given.result.cause == answer.cause) return answer;
            continue;
        }
        if (!may_repeat(call, answer)) return answer;
        const Millis pause = closed > 0 ? closed : backoff.next();
        if (steady_now() + pause >= until) return answer;
        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
}

RestAnswer Caller::ask(const MethodCall& call, const Grant& grant) {
    std::vector<std::string> secrets = grant.secrets();
    std::ranges::copy(call.secrets, std::back_inserter(secrets));
    RestAnswer answer =
        answer_of(ask_http(request_of(call, grant), way_.http, &way_.endpoints), secrets);
    if (answer.succeeded() && !answer.find("result")) {
        answer.cause = RestCause::server;
        answer.text = "the answer has no result";
    }
    return answer;
}

}  // namespace bx
