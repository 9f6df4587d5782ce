#include "worker/retry_schedule.h"

#include <boost/test/unit_test.hpp>

namespace {

bx::HookSettings settings(bx::Millis backoff = 15 * bx::second, bx::Millis most = 6 * bx::hour) {
    bx::HookSettings result;
    result.backoff = backoff;
    result.backoff_max = most;
    return result;
}

bx::Finish ended(bx::AttemptResult result, std::optional<int> exit = std::nullopt,
                 int attempt = 1) {
    bx::Finish finish;
    finish.result = result;
    finish.exit = exit;
    finish.attempt = attempt;
    return finish;
}

// What becomes of FINISH at moment 1,000,000, without jitter: "waiting +15000 exit 1".  FAILURES:
// before it, all by default.
std::string fate(bx::Finish finish, int max_attempts = 12,
                 std::optional<int> failures = std::nullopt, int configured = 12) {
    bx::HookSettings now = settings();
    now.attempts = configured;
    const bx::Allowance allowance = bx::allowance_of(
        finish.attempt, max_attempts, failures ? failures : finish.attempt - 1, configured);
    bx::decide_next(finish, allowance, now, 1'000'000, 0.5);
    std::string text(name_of(finish.next));
    if (finish.next == bx::DeliveryState::waiting) {
        text += " +" + std::to_string(finish.due_at - 1'000'000);
    }
    if (!finish.delivery_reason.empty()) text += " " + finish.delivery_reason;
    if (!finish.counts) text += " (does not count)";
    if (finish.max_attempts) text += " of " + std::to_string(*finish.max_attempts);
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schedule)

using enum bx::AttemptResult;

BOOST_AUTO_TEST_CASE(backoff_doubles_up_to_its_most) {
    const bx::Millis expected[] = {15,   30,   60,   120,   240,   480,  960,
                                   1920, 3840, 7680, 15360, 21600, 21600};
    for (int attempt = 1; attempt <= 13; ++attempt) {
        BOOST_TEST(bx::backoff_after(attempt, settings(), 0.5) ==
                   expected[attempt - 1] * bx::second);
    }
}

BOOST_AUTO_TEST_CASE(backoff_jitters_by_a_tenth_and_never_passes_its_most) {
    BOOST_TEST(bx::backoff_after(1, settings(), 0.0) == 13'500);
    BOOST_TEST(bx::backoff_after(1, settings(), 0.999999) == 16'499);
    BOOST_TEST(bx::backoff_after(40, settings(), 0.999999) == 6 * bx::hour);
    BOOST_TEST(bx::backoff_after(40, settings(), 0.0) == 6 * bx::hour * 9 / 10);
}

BOOST_AUTO_TEST_CASE(backoff_does_not_overflow) {
    bx::HookSettings extreme = settings(bx::day, 9'000'000'000'000'000);
    BOOST_TEST(bx::backoff_after(100'000, extreme, 0.5) == 9'000'000'000'000'000);
    BOOST_TEST(bx::backoff_after(1, settings(bx::hour, bx::minute), 0.5) == bx::minute);
}

BOOST_AUTO_TEST_CASE(only_the_contracts_statuses_are_permanent) {
    for (int exit = 1; exit < 256; ++exit) {
        bool permanent = exit == 65 || exit == 77 || exit == 78 || exit == 100;
        BOOST_TEST(bx::is_permanent(exit) == permanent, "exit " << exit);
        std::string expected = permanent ? "dead exit " : "waiting +15000 exit ";
        BOOST_TEST(fate(ended(failed, exit)) == expected + std::to_string(exit));
    }
}

BOOST_AUTO_TEST_CASE(every_result_has_its_fate) {
    BOOST_TEST(fate(ended(done, 0)) == "done");
    BOOST_TEST(fate(ended(timeout)) == "waiting +15000 timeout");
    BOOST_TEST(fate(ended(timeout, 65)) == "waiting +15000 exit 65");
    BOOST_TEST(fate(ended(lost)) == "waiting +15000 lost");
    BOOST_TEST(fate(ended(interrupted)) == "waiting +0 interrupted (does not count)");
    BOOST_TEST(fate(ended(cancelled)) == "cancelled cancelled");
}

BOOST_AUTO_TEST_CASE(a_signal_and_a_reason_are_told) {
    bx::Finish finish = ended(failed);
    finish.signal = "SIGSEGV";
    BOOST_TEST(fate(finish) == "waiting +15000 signal SIGSEGV");
    finish.reason = "unsafe permissions";
    BOOST_TEST(fate(finish) == "waiting +15000 unsafe permissions");
}

BOOST_AUTO_TEST_CASE(the_last_attempt_is_the_end) {
    BOOST_TEST(fate(ended(failed, 1, 11)) == "waiting +15360000 exit 1");
    BOOST_TEST(fate(ended(failed, 1, 12)) == "dead exit 1");
    BOOST_TEST(fate(ended(timeout, std::nullopt, 12)) == "dead timeout");
    BOOST_TEST(fate(ended(lost, std::nullopt, 12)) == "dead lost");
    BOOST_TEST(fate(ended(interrupted, std::nullopt, 12)) ==
               "waiting +0 interrupted (does not count)");
}

BOOST_AUTO_TEST_CASE(the_backoff_begins_again_when_attempts_were_given) {
    // A person's retry after 12: 13 to 24; an interruption at the 1st gives a 13th.
    BOOST_TEST(fate(ended(failed, 1, 13), 24, 0) == "waiting +15000 exit 1");
    BOOST_TEST(fate(ended(failed, 1, 14), 24, 1) == "waiting +30000 exit 1");
    BOOST_TEST(fate(ended(failed, 1, 24), 24, 11) == "dead exit 1");
    BOOST_TEST(fate(ended(failed, 1, 2), 13, 0) == "waiting +15000 exit 1");
}

// Tuning `attempts` during an outage must not turn the backoff off.
BOOST_AUTO_TEST_CASE(attempts_configured_since_hold_and_change_no_pause) {
    BOOST_TEST(fate(ended(failed, 1, 4), 12, 3, 20) == "waiting +120000 exit 1 of 20");
    BOOST_TEST(fate(ended(failed, 1, 4), 12, 3, 5) == "waiting +120000 exit 1 of 5");
    BOOST_TEST(fate(ended(failed, 1, 5), 12, 4, 5) == "dead exit 1 of 5");
    BOOST_TEST(fate(ended(failed, 1, 5), 12, 4, 3) == "dead exit 1 of 5");
    BOOST_TEST(fate(ended(failed, 1, 14), 24, 1, 3) == "waiting +30000 exit 1 of 15");
    BOOST_TEST(fate(ended(interrupted, std::nullopt, 4), 12, 3, 3) ==
               "waiting +0 interrupted (does not count) of 4");
}

BOOST_AUTO_TEST_CASE(a_hook_that_is_gone_leaves_what_it_gave) {
    const bx::Allowance left = bx::allowance_of(3, 4, 2, std::nullopt);
    BOOST_TEST(left.failures == 2);
    BOOST_TEST(left.most == 4);
    BOOST_TEST(!left.changed);
}

BOOST_AUTO_TEST_CASE(attempts_taken_over_from_merged_ones_all_count_for_the_pause) {
    const bx::Allowance taken_over = bx::allowance_of(6, 12, std::nullopt, 3);
    BOOST_TEST(taken_over.failures == 5);
    BOOST_TEST(taken_over.most == 12);
    BOOST_TEST(!taken_over.changed);
}

BOOST_AUTO_TEST_SUITE_END()
