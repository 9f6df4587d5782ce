// What a person asks for and looks at: retry, cancel, list, status, prune.
#include <boost/test/unit_test.hpp>

#include <future>

#include "store_scene.h"

using store_tests::Scene;
using bx::AttemptResult;
using bx::DeliveryState;
using Hooks = std::vector<std::string>;

namespace {

template <typename Set>
bx::ListFilter where(Set set) {
    bx::ListFilter filter;
    set(filter);
    return filter;
}

bx::ListFilter by_state(const std::string& state) {
    return where([&](auto& f) { f.states = {bx::row_state(state).value()}; });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(store_operate)

// -- Retry and cancel

BOOST_AUTO_TEST_CASE(retry_gives_more_attempts_and_goes_on_counting) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.dead("1/crm");
    s.now += 10;
    const bx::Outcome outcome = s.retry(1);
    BOOST_TEST(outcome.done());
    BOOST_TEST(outcome.count == 1);
    BOOST_TEST(text_of(outcome) == "");
    const bx::DeliveryRecord record = s.record(1);
    BOOST_TEST((record.state == DeliveryState::waiting));
    BOOST_TEST(record.attempt == 1);
    BOOST_TEST(record.max_attempts == 3);  // 1 + 2 more
    BOOST_TEST(record.due_at.value() == s.now);
    BOOST_TEST(!record.ended_at.has_value());
    BOOST_TEST(s.store().upkeep().unfinished() > 0);
    BOOST_TEST(s.claim(1) == "1/crm#2");
}

BOOST_AUTO_TEST_CASE(a_retried_delivery_goes_before_later_ones_and_never_beside_one) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("7");
    s.claim(1);
    s.dead("1/crm");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.record(2).blocked_by.value() == 1);
    BOOST_TEST(s.claim(9) == "1/crm#2");
    s.dead("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.record(1).blocked_by.value() == 2);  // it runs
    BOOST_TEST(s.claim(9) == "");
    s.done("2/crm");
    BOOST_TEST(s.claim(9) == "1/crm#3");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "3/crm#1");
}

BOOST_AUTO_TEST_CASE(a_waiting_delivery_is_due_at_once_and_keeps_its_attempts) {
    Scene s;
    s.put("1");
    bx::NewDelivery later = s.delivery("crm");
    later.due_at = s.now + bx::hour;
    later.ordered = false;
    s.put("2", later);
    s.claim(9);
    s.fails("1/crm", bx::hour);
    BOOST_TEST(s.claim(9) == "");
    s.now += 10;
    BOOST_TEST(s.retry(1).count == 1);
    BOOST_TEST(text_of(s.retry(2, "crm")) == "");
    const bx::DeliveryRecord record = s.record(1);
    BOOST_TEST((record.state == DeliveryState::waiting));
    BOOST_TEST(record.due_at.value() == s.now);
    BOOST_TEST(record.attempt == 1);
    BOOST_TEST(record.max_attempts == 3);
    BOOST_TEST(record.reason == "exit 1");
    BOOST_TEST(s.recount() == "");
    s.now += 5;
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.record(1).due_at.value() == s.now - 5);  // no later than it was
    BOOST_TEST(s.claim(9) == "1/crm#2 2/crm#1");
}

BOOST_AUTO_TEST_CASE(one_behind_another_of_its_lane_stays_there_and_says_so) {
    Scene s;
    s.put("7");
    s.put("7");
    s.claim(1);
    s.fails("1/crm", bx::hour);
    BOOST_TEST(text_of(s.retry(2, "crm")) == "it still waits for 1/crm");
    BOOST_TEST(s.claim(9) == "");
    BOOST_TEST(text_of(s.retry(1, "crm")) == "");
    BOOST_TEST(s.claim(9) == "1/crm#2");
    BOOST_TEST(text_of(s.retry(2, "crm")) == "it still waits for 1/crm");
    BOOST_TEST(s.recount() == "");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
}

BOOST_AUTO_TEST_CASE(a_retry_of_an_event_takes_what_is_dead_and_what_waits) {
    Scene s;
    s.add("1");
    s.match(1, Hooks{"a", "b", "c"});
    s.claim(9);
    s.dead("1/a");
    s.fails("1/b", bx::hour);
    s.done("1/c");
    BOOST_TEST(s.retry(1).count == 2);
    BOOST_TEST(s.claim(9) == "1/a#2 1/b#2");
    BOOST_TEST(s.state(1, "c") == "done");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_done_delivery_is_retried_only_by_its_name) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.done("1/crm");
    BOOST_TEST(!s.retry(1).done());
    BOOST_TEST(text_of(s.retry(1)) == "1 has no dead, cancelled or waiting delivery (a done one is "
                                      "retried by its name: 1/HOOK)");
    const bx::Outcome outcome = s.retry(1, "crm");
    BOOST_TEST(outcome.done());
    BOOST_TEST(text_of(outcome) == "without tokens (already erased)");
    BOOST_TEST(s.claim(1) == "1/crm#2");
    BOOST_TEST(s.claims.at("1/crm").event.secrets_erased);
    BOOST_TEST(s.claims.at("1/crm").event.secrets == "");
}

BOOST_AUTO_TEST_CASE(a_skipped_event_is_matched_anew) {
    Scene s;
    s.skip(s.add("1"), "no matching hook");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.store().matching().undispatched(9).size() == 1U);
    BOOST_TEST(s.store().view().event(1)->refused.empty());
    BOOST_TEST(s.store().view().event(1)->reason == "");
    BOOST_TEST(s.store().upkeep().unfinished() > 0);
    s.match(1, Hooks{"crm"});
    BOOST_TEST(s.claim(1) == "1/crm#1");
}

BOOST_AUTO_TEST_CASE(an_older_event_matched_anew_goes_before_later_ones) {
    Scene s;
    s.skip(s.add("7"), "disabled");
    s.put("7");
    s.retry(1);
    s.match(1, Hooks{"crm"});
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
}

BOOST_AUTO_TEST_CASE(retry_refuses_what_it_cannot_do_and_says_why) {
    Scene s;
    s.add("1");
    s.put("2");
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.put("3", merging);
    s.put("3", merging);
    BOOST_TEST(text_of(s.retry(99)) == "there is no event 99");
    BOOST_TEST(text_of(s.retry(1)) == "1 is new, the worker takes it next");
    BOOST_TEST(text_of(s.retry(1, "crm")) ==
               "there is no delivery 1/crm: no worker has matched event 1 yet");
    BOOST_TEST(text_of(s.retry(2, "x")) == "there is no delivery 2/x");
    BOOST_TEST(text_of(s.retry(3, "crm")) == "3/crm is merged into 4");
    s.claim(1);
    BOOST_TEST(text_of(s.retry(2, "crm")) == "2/crm is running");
    BOOST_TEST(!s.retry(2).done());
}

// -- A delivery for a hook that did not take the event

BOOST_AUTO_TEST_CASE(a_hook_that_did_not_take_an_event_gets_it_after_all) {
    Scene s;
    s.match(s.add("1"), Hooks{"crm"});
    s.claim(1);
    s.done("1/crm");
    s.now += 10;
    const bx::Outcome outcome = s.store().operate().deliver(1, s.delivery("late"), s.now);
    BOOST_TEST(outcome.done());
    BOOST_TEST(outcome.count == 1);
    BOOST_TEST(text_of(outcome) == "without tokens (already erased)");
    BOOST_TEST((s.record(1, "late").state == DeliveryState::waiting));
    BOOST_TEST(s.record(1, "late").due_at.value() == s.now);
    BOOST_TEST(s.store().upkeep().unfinished() == 1);
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "1/late#1");
    s.done("1/late");
    BOOST_TEST(s.store().upkeep().unfinished() == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_skipped_event_is_matched_by_the_hook_it_is_given_to) {
    Scene s;
    s.store().matching().dispatch(std::vector{bx::Dispatch{s.add("1"), {}, {{"crm", "disabled"}, {"log", "no"}},
                                                "no matching hook"}}, s.now);
    BOOST_TEST(s.store().operate().deliver(1, s.delivery("crm"), s.now).done());
    const bx::StoredEvent event = s.store().view().event(1).value();
    BOOST_TEST((event.state == bx::EventState::matched));
    BOOST_TEST(event.reason == "");
    BOOST_REQUIRE(event.refused.size() == 1U);
    BOOST_TEST(event.refused[0].hook == "log");
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.done("1/crm");
    BOOST_TEST(s.recount() == "");
}

// Each of the new ones before it would be written down as passed over, in that one transaction.
BOOST_AUTO_TEST_CASE(an_event_behind_very_many_new_ones_is_given_to_no_hook_yet) {
    Scene s;
    const std::vector<bx::NewEvent> events(5002, Scene::event("7"));
    s.store().sink().add(events, 1'000'000);
    s.cancel(5002);
    const bx::Outcome outcome = s.store().operate().deliver(5002, s.delivery("crm"), s.now);
    BOOST_TEST(outcome.count == 0);
    BOOST_TEST(text_of(outcome) == "5002 comes after more than 5000 new events: try again when a "
                                   "worker has matched those");
    BOOST_TEST(s.recount() == "");
    s.skip(1, "none");
    BOOST_TEST(s.store().operate().deliver(5002, s.delivery("crm"), s.now).done());
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(such_a_delivery_has_its_place_in_its_lane) {
    Scene s;
    s.skip(s.add("7"), "disabled");
    s.put("7");
    s.put("7");
    BOOST_TEST(s.store().operate().deliver(1, s.delivery("crm"), s.now).done());
    BOOST_TEST(s.record(2).blocked_by.value() == 1);
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    s.skip(s.add("7"), "disabled");
    BOOST_TEST(s.store().operate().deliver(4, s.delivery("crm"), s.now).done());  // behind, while one runs
    BOOST_TEST(s.record(4).blocked_by.value() == 3);
    BOOST_TEST(s.claim(9) == "");
    bx::NewDelivery free = s.delivery("free");
    free.ordered = false;
    BOOST_TEST(s.store().operate().deliver(4, free, s.now).done());
    BOOST_TEST(s.claim(9) == "4/free#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_delivery_is_not_made_twice_nor_of_a_new_event) {
    Scene s;
    const auto refusal = [&](bx::EventNumber event) {
        const bx::Outcome outcome = s.store().operate().deliver(event, s.delivery("crm"), s.now);
        BOOST_TEST(!outcome.done());
        BOOST_TEST(outcome.count == 0);
        return text_of(outcome);
    };
    BOOST_TEST(refusal(1) == "there is no event 1");
    s.add("1");
    BOOST_TEST(refusal(1) == "1 is new, the worker takes it next");
    s.match(1, Hooks{"crm"});
    BOOST_TEST(refusal(1) == "1/crm is waiting");
    s.claim(1);
    BOOST_TEST(refusal(1) == "1/crm is running");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(cancel_frees_the_lane) {
    Scene s;
    s.put("7");
    s.put("7");
    const bx::Outcome outcome = s.cancel(1);
    BOOST_TEST(outcome.done());
    BOOST_TEST(outcome.count == 1);
    BOOST_TEST(s.state(1) == "cancelled");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.retry(1).done());
    s.done("2/crm");
    BOOST_TEST(s.claim(9) == "1/crm#1");
}

BOOST_AUTO_TEST_CASE(cancel_leaves_a_running_one_unless_told_to_kill) {
    Scene s;
    s.add("1");
    s.match(1, Hooks{"a", "b"});
    BOOST_TEST(s.claim(1) == "1/a#1");
    bx::Outcome outcome = s.cancel(1);
    BOOST_TEST(!outcome.done());
    BOOST_TEST(outcome.count == 1);  // the waiting one
    BOOST_TEST(text_of(outcome) == "1/a is running (--kill ends it)");
    BOOST_TEST(s.state(1, "b") == "cancelled");
    BOOST_TEST(s.store().runs().kill_requests().empty());
    outcome = s.cancel(1, "a", true);
    BOOST_TEST(outcome.done());
    BOOST_TEST(outcome.count == 1);
    BOOST_TEST(s.store().runs().kill_requests().size() == 1U);
    BOOST_TEST(s.store().runs().kill_requests()[0].hook == "a");
    BOOST_TEST(s.state(1, "a") == "running");
    // It failed before the worker saw the request, which still holds.
    s.fails("1/a", 0);
    BOOST_TEST(s.state(1, "a") == "cancelled");
    BOOST_TEST(s.store().runs().kill_requests().empty());
}

BOOST_AUTO_TEST_CASE(cancel_refuses_what_it_cannot_do_and_says_why) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.done("1/crm");
    s.skip(s.add("2"), "none");
    BOOST_TEST(text_of(s.cancel(99)) == "there is no event 99");
    BOOST_TEST(text_of(s.cancel(1)) == "1 has no waiting delivery");
    BOOST_TEST(text_of(s.cancel(1, "crm")) == "1/crm is done");
    s.put("3");
    s.claim(1);
    s.dead("3/crm");
    const std::string dead = "3/crm is dead; it runs no more: 'bxhook retry 3/crm' runs it again; "
                             "`status` leaves it out an hour after it died, and it is deleted when "
                             "`retention` says";
    BOOST_TEST(text_of(s.cancel(3, "crm")) == dead);
    BOOST_TEST(text_of(s.cancel(3)) == "3 has no waiting delivery, " + dead);
    BOOST_TEST(text_of(s.cancel(1, "x")) == "there is no delivery 1/x");
    BOOST_TEST(text_of(s.cancel(2)) == "2 is skipped");
    BOOST_TEST(!s.cancel(2).done());
}

BOOST_AUTO_TEST_CASE(of_two_retries_at_once_the_later_is_told_what_the_other_has_done) {
    Scene s;
    const std::unique_ptr<bx::Store> one = s.another();
    const std::unique_ptr<bx::Store> two = s.another();
    for (int round = 0; round < 20; ++round) {
        const bx::EventNumber event = s.add(std::to_string(round));
        s.skip(event, "no matching hook");
        const auto retry = [&](bx::Store& store) {
            return store.operate().retry({event, ""}, [](const std::string&) { return 2; }, s.now);
        };
        std::future<bx::Outcome> other =
            std::async(std::launch::async, [&] { return retry(*one); });
        const bx::Outcome mine = retry(*two);
        const bx::Outcome theirs = other.get();
        BOOST_TEST(mine.done() != theirs.done());
        BOOST_TEST(text_of(mine.done() ? theirs : mine) ==
                   std::to_string(event) + " is new, the worker takes it next");
    }
    BOOST_TEST(s.recount() == "");
}

// -- A second chance for what was skipped for a mistake

namespace {

// An event that is skipped now, for a mistake when RETRYABLE.
bx::EventNumber skip(Scene& s, bool retryable) {
    bx::Dispatch verdict;
    verdict.event = s.add("1");
    verdict.skip_reason = "no hook takes it";
    verdict.refused = {{"crm", "not executable", bx::HookRule::unable}};
    verdict.retryable = retryable;
    s.store().matching().dispatch(std::vector{verdict}, s.now);
    return verdict.event;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_skipped_for_a_mistake_is_made_new_oldest_first) {
    Scene s;
    skip(s, true);   // 1: too old
    s.now += bx::day;
    const bx::Millis from = s.now;
    skip(s, true);   // 2
    skip(s, false);  // 3: for good
    s.now -= bx::hour / 2;  // the clock is set back, which has no say in it
    s.now += bx::hour;
    skip(s, true);   // 4
    s.now -= bx::hour / 2;
    bx::MatchQueue& queue = s.store().matching();
    const bx::EventNumber newest = queue.newest_retryable();
    BOOST_TEST(newest == 4);
    skip(s, true);   // 5: after the hooks were looked at
    s.put("6");
    s.claim(1);
    s.dead("6/crm");
    const bx::Renewed first = queue.renew_skipped({from, 0, newest}, 1);
    BOOST_TEST(first.count == 1U);
    BOOST_TEST(first.last == 2);
    BOOST_TEST(first.more);
    BOOST_TEST(s.list(by_state("new")) == "2/-");
    s.store().matching().dispatch(std::vector{bx::Dispatch{2, {}, {}, "again", 0, true}}, s.now);
    const bx::Renewed second = queue.renew_skipped({from, first.last, newest}, 9);
    BOOST_TEST(second.count == 1U);
    BOOST_TEST(!second.more);
    BOOST_TEST(s.list(by_state("new")) == "4/-");
    BOOST_TEST(queue.renew_skipped({from, second.last, newest}, 9).count == 0U);
    BOOST_TEST(s.store().view().event(4)->refused.empty());
    BOOST_TEST(s.secrets(4) == "secret of 1");
    BOOST_TEST(s.recount() == "");
    s.match(4, Hooks{"crm"});
    BOOST_TEST(s.claim(1) == "4/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_was_to_be_matched_again_can_be_cancelled) {
    Scene s;
    skip(s, true);
    s.now += 10;
    const bx::Outcome outcome = s.cancel(1);
    BOOST_TEST(outcome.done());
    BOOST_TEST(outcome.count == 1);
    const bx::StoredEvent event = s.store().view().event(1).value();
    BOOST_TEST((event.state == bx::EventState::skipped));
    BOOST_TEST(event.reason == "cancelled");
    BOOST_TEST(!event.retryable);
    BOOST_TEST(event.refused.size() == 1U);
    BOOST_TEST(s.secrets(1) == "erased");
    BOOST_TEST(s.store().matching().newest_retryable() == 0);
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(text_of(s.cancel(1)) == "1 is skipped");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(each_host_keeps_what_its_hooks_were_like_for_a_month) {
    Scene s;
    bx::MatchQueue& queue = s.store().matching();
    BOOST_TEST(queue.fingerprint("web1") == "");
    queue.keep_fingerprint("web1", "a", s.now);
    queue.keep_fingerprint("web2", "b", s.now);
    queue.keep_fingerprint("web1", "c", s.now + bx::day);
    s.open();
    BOOST_TEST(s.store().matching().fingerprint("web1") == "c");
    BOOST_TEST(s.store().matching().fingerprint("web2") == "b");
    s.store().matching().keep_fingerprint("web3", "d", s.now + 30 * bx::day + 1);
    BOOST_TEST(s.store().matching().fingerprint("web1") == "c");
    BOOST_TEST(s.store().matching().fingerprint("web2") == "");
}

BOOST_AUTO_TEST_CASE(the_reason_of_a_dispatch_is_forgotten_but_of_hooks_that_still_stop) {
    Scene s;
    bx::NewDelivery one = s.delivery("one"), two = s.delivery("two"), crm = s.delivery("crm");
    one.reason = two.reason = "two hooks have this name";
    for (int i = 0; i < 3; ++i) s.match(s.add("7"), std::vector{crm, one, two});
    s.claim(1);
    s.fails("1/crm", bx::hour);
    bx::MatchQueue& queue = s.store().matching();
    BOOST_TEST(queue.forget_reasons({"one", "two"}, 9) == 0U);
    std::size_t count = 0;
    while (const std::size_t step = queue.forget_reasons({"two"}, 2)) {
        BOOST_TEST(step <= 2U);
        count += step;
    }
    BOOST_TEST(count == 3U);
    BOOST_TEST(s.record(3, "one").reason == "");
    BOOST_TEST(s.record(3, "two").reason == "two hooks have this name");
    BOOST_TEST(s.record(1, "crm").reason == "exit 1");
    BOOST_TEST(queue.forget_reasons({}, 9) == 3U);
    BOOST_TEST(s.recount() == "");
}

// -- What was chosen by its state

BOOST_AUTO_TEST_CASE(what_left_the_state_that_it_was_chosen_by_stays_as_it_is) {
    Scene s;
    const auto none = [](const std::string&) { return 2; };
    bx::Operator& operate = s.store().operate();
    s.put("1");
    s.claim(1);
    s.dead("1/crm");
    BOOST_TEST(s.retry(1, "crm").done());
    s.claim(1);
    s.done("1/crm");  // meanwhile
    const bx::Outcome late = operate.retry({1, "crm"}, none, s.now, bx::RowState::dead);
    BOOST_TEST((late.reason == bx::Outcome::Reason::left_state));
    BOOST_TEST(text_of(late) == "1/crm is not dead any more");
    BOOST_TEST(s.state(1) == "done");
    BOOST_TEST(operate.retry({1, "crm"}, none, s.now, bx::RowState::done).done());
    BOOST_TEST(s.state(1) == "waiting");
    s.claim(1);
    BOOST_TEST(!operate.cancel({1, "crm"}, true, s.now, bx::RowState::waiting).done());
    BOOST_TEST(s.store().runs().kill_requests().empty());
    BOOST_TEST(operate.cancel({1, "crm"}, true, s.now, bx::RowState::running).done());
    s.put("2");  // of a new event, which is matched meanwhile
    BOOST_TEST(!operate.cancel({2, ""}, false, s.now, bx::RowState::fresh).done());
    BOOST_TEST(!operate.retry({2, ""}, none, s.now, bx::RowState::skipped).done());
    BOOST_TEST(!operate.retry({99, "crm"}, none, s.now, bx::RowState::dead).done());
    BOOST_TEST(s.state(2) == "waiting");
    s.skip(s.add("3"), "none");
    BOOST_TEST(operate.retry({3, ""}, none, s.now, bx::RowState::skipped).done());
    BOOST_TEST(s.recount() == "");
}

// -- Looking

BOOST_AUTO_TEST_CASE(a_list_is_newest_first_with_new_and_skipped_events) {
    Scene s;
    s.skip(s.add("1"), "none");
    s.add("2");
    s.match(s.add("3"), Hooks{"b", "a"});
    BOOST_TEST(s.list({}) == "3/b 3/a 2/- 1/-");
    BOOST_TEST(s.list(where([&](auto& f) { f.limit = 2; })) == "3/b 3/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.after = 1; })) == "3/b 3/a 2/-");
}

BOOST_AUTO_TEST_CASE(a_list_is_filtered_by_state) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.skip(s.add("1"), "none");  // 1
    s.add("2");                  // 2: new
    for (const char* id : {"3", "4", "5", "6"}) s.put(id);
    s.claim(3);
    s.done("3/crm");
    s.dead("4/crm");
    s.put("7");
    s.cancel(7);
    s.put("8", merging);
    s.put("8", merging);
    BOOST_TEST(s.list(by_state("new")) == "2/-");
    BOOST_TEST(s.list(by_state("skipped")) == "1/-");
    BOOST_TEST(s.list(by_state("waiting")) == "9/crm 6/crm");
    BOOST_TEST(s.list(by_state("running")) == "5/crm");
    BOOST_TEST(s.list(by_state("done")) == "3/crm");
    BOOST_TEST(s.list(by_state("dead")) == "4/crm");
    BOOST_TEST(s.list(by_state("merged")) == "8/crm");
    BOOST_TEST(s.list(by_state("cancelled")) == "7/crm");
}

BOOST_AUTO_TEST_CASE(a_list_is_filtered_by_code_hook_portal_and_time) {
    Scene s;
    s.put("1", "a", "p");
    s.now += 1000;
    s.put("2", "b", "q");
    s.put("3", s.delivery("a"), "ONTASKADD");
    s.add(Scene::event("4", "q", "ONTASKUPDATE"));
    BOOST_TEST(s.list(where([&](auto& f) { f.code_glob = "ontask*"; })) == "4/- 3/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.hooks = {"a"}; })) == "3/a 1/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.portal = "Q"; })) == "4/- 2/b");
    BOOST_TEST(s.list(where([&](auto& f) { f.portal = "some.EXAMPLE"; })) == "4/- 3/a 2/b 1/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.from = s.now; })) == "4/- 3/a 2/b");
    BOOST_TEST(s.list(where([&](auto& f) { f.from = s.now + 1; })) == "");
    BOOST_TEST(s.list(where([&](auto& f) {
        f.states = {bx::RowState::waiting};
        f.hooks = {"a"};
        f.from = s.now;
    })) == "3/a");
}

BOOST_AUTO_TEST_CASE(a_list_is_filtered_by_id_and_by_the_end_of_a_time) {
    Scene s;
    s.put("7", "a", "p");
    s.now += 1000;
    s.put("77", "a", "p");
    s.put("7", "b", "q");
    s.add("7");
    BOOST_TEST(s.list(where([&](auto& f) { f.id = "7"; })) == "4/- 3/b 1/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.id = "8"; })) == "");
    BOOST_TEST(s.list(where([&](auto& f) { f.to = s.now; })) == "1/a");
    BOOST_TEST(s.list(where([&](auto& f) {
        f.from = s.now;
        f.to = s.now + 1;
        f.id = "77";
    })) == "2/a");
    for (const char* state : {"waiting", "new", "done"}) {
        bx::ListFilter filter = by_state(state);
        filter.id = "77";
        filter.to = s.now + 1;
        BOOST_TEST(s.list(filter) == (state == std::string("waiting") ? "2/a" : ""));
    }
}

BOOST_AUTO_TEST_CASE(several_states_and_hooks_come_in_one_order) {
    Scene s;
    s.skip(s.add("1"), "none");
    for (const char* id : {"2", "3", "4"}) s.match(s.add(id), Hooks{"a", "b", "c"});
    s.claim(4);  // 2/a 2/b 2/c 3/a, in some order
    for (const auto& [name, claim] : s.claims) {
        if (claim.event.number == 2) s.dead(name);
        else s.done(name);
    }
    s.add("5");
    const std::string all = s.list({});
    BOOST_TEST(all == "5/- 4/c 4/b 4/a 3/c 3/b 3/a 2/c 2/b 2/a 1/-");
    BOOST_TEST(s.list(where([&](auto& f) {
        f.states.assign(bx::row_states().begin(), bx::row_states().end());
    })) == all);
    bx::ListFilter dead_or_new = by_state("dead");
    dead_or_new.states.push_back(bx::RowState::fresh);
    dead_or_new.states.push_back(bx::RowState::skipped);
    BOOST_TEST(s.list(dead_or_new) == "5/- 2/c 2/b 2/a 1/-");
    BOOST_TEST(s.list(where([&](auto& f) { f.hooks = {"c", "a"}; })) ==
               "4/c 4/a 3/c 3/a 2/c 2/a");
    dead_or_new.hooks = {"a", "c"};
    BOOST_TEST(s.list(dead_or_new) == "2/c 2/a");
}

BOOST_AUTO_TEST_CASE(a_list_in_pieces_is_the_whole_list) {
    Scene s;
    for (int i = 1; i <= 4; ++i) s.match(s.add(std::to_string(i)), Hooks{"a", "b", "c"});
    s.skip(s.add("5"), "none");
    s.add("6");
    s.claim(5);
    const std::string first = s.claims.begin()->first;
    s.dead(first);
    std::vector<bx::ListFilter> filters{{}, by_state("waiting")};
    filters.push_back(by_state("waiting"));
    filters.back().states.push_back(bx::RowState::running);
    filters.back().states.push_back(bx::RowState::dead);
    filters.back().states.push_back(bx::RowState::skipped);
    for (const bx::ListFilter& filter : filters) {
        const std::string whole = s.list(filter);
        for (const std::size_t size : {1U, 2U, 5U}) {
            bx::ListFilter piece = filter;
            piece.limit = size;
            std::vector<std::string> names;
            for (;;) {
                const std::vector<bx::ListRow> rows = s.store().view().list(piece);
                for (const bx::ListRow& row : rows) names.push_back(name_of(row));
                if (rows.size() < size) break;
                const bx::ListRow& last = rows.back();
                piece.beyond = {last.event.number, last.delivery ? last.delivery->hook : ""};
            }
            BOOST_TEST(store_tests::joined(names) == whole);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_causes_of_rows_are_the_last_output_and_the_rules) {
    Scene s;
    s.add("1");
    s.match(1, Hooks{"dead", "fine", "retried", "waits"});
    const auto ends = [&](const std::string& name, DeliveryState next, const std::string& said) {
        bx::Finish run = s.ending(name, AttemptResult::failed, next);
        run.delivery_reason = "exit 1";
        run.err = {said, static_cast<std::int64_t>(said.size())};
        run.due_at = s.now;
        s.finish(run);
    };
    s.claim(9);
    ends("1/waits", DeliveryState::waiting, "first");
    s.claim(9);
    ends("1/waits", DeliveryState::waiting, "second");
    ends("1/dead", DeliveryState::dead, std::string(10'000, 'x') + "\nlast line\n");
    s.done("1/fine");
    ends("1/retried", DeliveryState::dead, "before");
    s.retry(1, "retried");
    s.skip(s.add("2"), "none");
    std::vector<bx::ListRow> rows = s.store().view().list({});
    BOOST_REQUIRE(rows.size() == 5U);
    s.store().view().add_causes(rows);
    BOOST_TEST(rows[0].event.refused.at(0).reason == "disabled");
    std::map<std::string, std::string> said;
    for (const bx::ListRow& row : rows) said[name_of(row)] = row.stderr_end;
    BOOST_TEST(said["1/waits"] == "second");
    BOOST_TEST(said["1/dead"].ends_with("x\nlast line\n"));
    BOOST_TEST(said["1/dead"].size() < 5000U);
    BOOST_TEST(said["1/fine"] == "");
    BOOST_TEST(said["1/retried"] == "");
}

BOOST_AUTO_TEST_CASE(a_clock_that_stepped_back_hides_no_event) {
    Scene s;
    s.now += bx::day;
    s.add("1");
    s.now -= bx::day;
    s.add("2");
    BOOST_TEST(s.list(where([&](auto& f) { f.from = s.now + 1; })) == "1/-");
    BOOST_TEST(s.list(where([&](auto& f) { f.from = s.now; })) == "2/- 1/-");
}

BOOST_AUTO_TEST_CASE(status_counts_what_there_is) {
    Scene s;
    s.add("1");                              // new
    s.skip(s.add("2"), "none");
    s.match(s.add("3"), Hooks{"a", "b"});
    bx::NewDelivery later = s.delivery("b");
    later.due_at = s.now + 1000;
    s.put("4", later);
    s.put("5", "a");
    BOOST_TEST(s.claim(2) == "3/a#1 3/b#1");
    s.done("3/a");
    s.dead("3/b");
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.events_new == 1);
    BOOST_TEST(status.events_matched == 3);
    BOOST_TEST(status.events_skipped == 1);
    BOOST_TEST(status.waiting == 2);
    BOOST_TEST(status.running == 0);
    BOOST_TEST(status.done == 1);
    BOOST_TEST(status.dead == 1);
    BOOST_TEST(status.due == 1);
    BOOST_TEST(status.oldest_due_at.value() == s.now);
    BOOST_TEST(status.oldest_new_at.value() == s.now);
    BOOST_TEST(status.unfinished == 3);
    BOOST_TEST(status.hooks.size() == 2U);
    BOOST_TEST(status.hooks[0].hook == "a");
    BOOST_TEST(status.hooks[0].waiting == 1);
    BOOST_TEST(status.hooks[0].done_1h == 1);
    BOOST_TEST(status.hooks[1].failed_1h == 1);
    BOOST_TEST(status.hooks[1].dead_1h == 1);
    BOOST_TEST(status.hooks[1].dead == 1);
    const bx::StoreStatus after = s.store().view().status(s.now + 1000);  // the delay is over
    BOOST_TEST(after.due == 2);
    BOOST_TEST(after.oldest_due_at.value() == s.now);
}

BOOST_AUTO_TEST_CASE(status_tells_per_hook_since_when_something_is_due) {
    Scene s;
    s.put("1", "first");
    s.now += 1000;
    s.put("2", "first");
    s.put("3", "second");
    bx::NewDelivery later = s.delivery("third");
    later.due_at = s.now + 500;
    s.put("4", later);
    s.now += 400;
    const auto since = [&](const std::string& name) {
        for (const bx::HookCounts& hook : s.store().view().status(s.now).hooks) {
            if (hook.hook == name) return hook.oldest_due_at ? s.now - *hook.oldest_due_at : -1;
        }
        return bx::Millis{-2};
    };
    BOOST_TEST(since("first") == 1400);
    BOOST_TEST(since("second") == 400);
    BOOST_TEST(since("third") == -1);
    s.now += 400;
    BOOST_TEST(since("third") == 300);
    BOOST_TEST(s.store().view().status(s.now).due == 4);
}

BOOST_AUTO_TEST_CASE(rates_are_of_the_last_hour) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.done("1/crm");
    s.put("2");
    BOOST_TEST(s.store().view().status(s.now + 59 * bx::minute).hooks.at(0).done_1h == 1);
    BOOST_TEST(s.store().view().status(s.now + 61 * bx::minute).hooks.at(0).done_1h == 0);
    s.now += 2 * bx::hour;
    s.claim(1);
    s.done("2/crm");
    BOOST_TEST(s.store().view().status(s.now).hooks.at(0).done_1h == 1);
}

// -- Failures, by which the worker counts its pauses

BOOST_AUTO_TEST_CASE(a_claim_says_how_often_it_has_failed_since_attempts_were_given) {
    Scene s;
    s.put("7");
    const auto failures = [&] {
        s.now += 60'000;
        s.claim(1);
        return s.claims.at("1/crm").failures.value_or(-1);
    };
    BOOST_TEST(failures() == 0);
    s.fails("1/crm", 1);
    BOOST_TEST(failures() == 1);
    BOOST_TEST(s.claims.at("1/crm").started_at == s.now);
    bx::Finish interrupted =
        s.ending("1/crm", bx::AttemptResult::interrupted, bx::DeliveryState::waiting);
    interrupted.counts = false;
    interrupted.due_at = s.now;
    s.finish(interrupted);
    BOOST_TEST(failures() == 1);
    s.fails("1/crm", 1);
    BOOST_TEST(failures() == 2);
    s.dead("1/crm");
    s.retry(1);
    BOOST_TEST(failures() == 0);
    s.fails("1/crm", 1);
    BOOST_TEST(failures() == 1);
}

// When they failed says nothing where the clock has been set back since.
BOOST_AUTO_TEST_CASE(failures_are_counted_by_number) {
    Scene s;
    s.put("7");
    const auto failures = [&] {
        s.claim(1);
        return s.claims.at("1/crm").failures.value_or(-1);
    };
    BOOST_TEST(failures() == 0);
    s.fails("1/crm", -bx::day);
    s.now -= bx::hour;
    BOOST_TEST(failures() == 1);
    s.fails("1/crm", -bx::day);
    BOOST_TEST(failures() == 2);
    s.dead("1/crm");
    s.retry(1);
    BOOST_TEST(failures() == 0);
    s.now -= bx::hour;
    s.fails("1/crm", -bx::day);
    BOOST_TEST(failures() == 1);
}

BOOST_AUTO_TEST_CASE(an_orphan_says_how_often_it_has_failed) {
    Scene s;
    s.put("7");
    s.claim(1);
    s.fails("1/crm", 1);
    s.now += 60'000;
    s.claim(1);
    const std::vector<bx::Orphan> orphans = s.store().runs().orphans({});
    BOOST_REQUIRE(orphans.size() == 1U);
    BOOST_TEST(orphans[0].failures.value_or(-1) == 1);
}

BOOST_AUTO_TEST_CASE(of_attempts_taken_over_in_a_merge_the_failures_are_not_known) {
    Scene s;
    s.put("7");
    s.claim(1);
    s.fails("1/crm", 60'000);
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.put("7", merging);
    BOOST_TEST(s.state(1) == "merged");
    s.now += 60'000;
    BOOST_TEST(s.claim(1) == "2/crm#2");
    BOOST_TEST(!s.claims.at("2/crm").failures.has_value());
}

BOOST_AUTO_TEST_CASE(an_end_may_give_other_attempts) {
    Scene s;
    s.put("7");
    s.put("8");
    s.claim(2);
    bx::Finish fewer = s.ending("1/crm", bx::AttemptResult::failed, bx::DeliveryState::waiting);
    fewer.max_attempts = 2;
    s.finish(fewer);
    BOOST_TEST(s.record(1).max_attempts == 2);
    bx::Finish interrupted =
        s.ending("2/crm", bx::AttemptResult::interrupted, bx::DeliveryState::waiting);
    interrupted.counts = false;
    interrupted.max_attempts = 7;
    BOOST_TEST(s.claim(1, nullptr, {interrupted}) != "");  // in its own way
    BOOST_TEST(s.record(2).max_attempts == 8);
}

BOOST_AUTO_TEST_CASE(a_blocked_lane_is_shown_with_its_reason_and_those_behind) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("7");
    s.put("8");
    s.put("");
    s.claim(9);
    s.fails("1/crm", 60'000);
    s.fails("4/crm", 60'000);
    s.fails("5/crm", 60'000);  // no lane: nothing is blocked
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.blocked.size() == 2U);
    BOOST_TEST(status.blocked[0].event == 1);
    BOOST_TEST(status.blocked[0].hook == "crm");
    BOOST_TEST(status.blocked[0].facts.id == "7");
    BOOST_TEST(status.blocked[0].facts.member_id == "p");
    BOOST_TEST(status.blocked[0].reason == "exit 1");
    BOOST_TEST(status.blocked[0].since == s.now);
    BOOST_TEST(status.blocked[0].behind == 2);
    BOOST_TEST(status.blocked[1].behind == 0);
    const bx::Millis begun = s.now;
    s.now += 60'000;
    s.claim(1);
    BOOST_TEST(s.store().view().status(s.now).blocked.size() == 2U);  // it runs again, and may fail again
    s.fails("1/crm", 60'000);
    BOOST_TEST(s.store().view().status(s.now).blocked[0].since == begun);
    s.now += 60'000;
    s.claim(1);
    s.done("1/crm");
    BOOST_TEST(s.store().view().status(s.now).blocked.size() == 1U);
}

// -- Pruning

BOOST_AUTO_TEST_CASE(a_worker_in_trouble_is_shown_and_cron_s_when_it_has_left) {
    Scene s;
    std::optional<bx::WorkerLock> lock;
    if (!s.place().starts_with("postgresql")) lock.emplace(s.place(), 0);
    bx::WorkerRecord worker{"web1", 4711, "1.1.0", bx::wall_now(), 0, "", {}, "no room", false};
    s.store().workers().register_worker(worker);
    BOOST_TEST(s.store().view().status(s.now).workers.at(0).trouble == "no room");
    BOOST_TEST(!s.store().view().status(s.now).workers.at(0).once);
    s.store().workers().unregister_worker(worker);
    BOOST_TEST(!s.store().view().status(s.now).once.has_value());
    worker.once = true;
    worker.trouble = "";
    s.store().workers().register_worker(worker);
    BOOST_TEST(s.store().view().status(s.now).workers.at(0).once);
    BOOST_TEST(s.store().view().status(s.now).workers.at(0).trouble == "");
    worker.trouble = "locked";
    s.store().workers().unregister_worker(worker);
    const bx::OnceRecord left = s.store().view().status(s.now).once.value();
    BOOST_TEST(left.host == "web1");
    BOOST_TEST(left.trouble == "locked");
    BOOST_TEST(std::abs(left.left_at - bx::wall_now()) < bx::minute);
    worker.trouble = "";
    s.store().workers().unregister_worker(worker);
    BOOST_TEST(s.store().view().status(s.now).once->trouble == "");
    worker.once = false;
    s.store().workers().register_worker(worker);
    BOOST_TEST(!s.store().view().status(s.now).once.has_value());
}

// -- Prune

BOOST_AUTO_TEST_CASE(since_when_the_clocks_agree_is_kept_for_each_boot) {
    Scene s;
    const bx::Millis wall = bx::wall_now();
    const auto watch = [&](const std::string& boot, bx::Millis up, bx::Millis at) {
        return s.another()->upkeep().watch_clock({boot, up, at});  // as another process does
    };
    bx::ClockRecord known = watch("a", 100'000, wall);
    BOOST_TEST(known.up == 100'000);
    BOOST_TEST(known.step == 0);
    known = watch("a", 100'000 + bx::hour, wall + bx::hour + 20 * bx::second);  // of no account
    BOOST_TEST(known.up == 100'000);
    BOOST_TEST(known.is_trusted({"a", 100'000 + bx::hour, wall}));
    BOOST_TEST(!known.is_trusted({"a", 100'000 + bx::hour - 1, wall}));
    BOOST_TEST(!s.store().view().status(s.now).clocks.at(0).is_large_step());

    known = watch("a", 100'000 + bx::hour, wall + bx::hour + 91 * bx::day);
    BOOST_TEST(known.up == 100'000 + bx::hour);
    BOOST_TEST(known.step == 91 * bx::day);
    BOOST_TEST(known.step_text() == "+91d");
    BOOST_TEST(s.store().view().status(s.now).clocks.at(0).is_large_step());
    known = watch("a", 200'000 + bx::hour, wall + bx::hour + 91 * bx::day + 100'000);
    BOOST_TEST(known.up == 100'000 + bx::hour);
    known = watch("a", 200'000 + bx::hour, wall + bx::hour + 100'000);
    BOOST_TEST(known.step_text() == "-91d");

    known = watch("b", 5'000, wall + 200 * bx::day);  // another boot: nothing can be compared
    BOOST_TEST(known.up == 5'000);
    BOOST_TEST(known.step == 0);
    known = watch("b", 2'000, wall + 200 * bx::day);  // one that has the same name
    BOOST_TEST(known.up == 2'000);
    BOOST_TEST(known.step == 0);
}

BOOST_AUTO_TEST_CASE(finished_events_are_pruned_oldest_first_in_steps) {
    Scene s;
    for (int i = 1; i <= 5; ++i) {
        s.skip(s.add(std::to_string(i)), "none");
        s.now += 1000;
    }
    const bx::PruneOrder order{.done_before = s.now - 1000, .at_most = 3};
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 3U);
    BOOST_TEST(s.list({}) == "5/- 4/-");
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 1U);
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 0U);
    BOOST_TEST(s.list({}) == "5/-");
    BOOST_TEST(s.store().view().status(s.now).events_skipped == 1);
}

BOOST_AUTO_TEST_CASE(what_a_prune_deletes_is_counted_before) {
    Scene s;
    for (int i = 1; i <= 3; ++i) s.skip(s.add(std::to_string(i)), "none");
    s.match(s.add("4"), Hooks{"a", "b"});
    s.put("5", "a");
    s.claim(9);
    s.dead("4/a");
    s.done("4/b");
    s.dead("5/a");
    s.put("6");
    s.now += 1000;
    bx::Upkeep& upkeep = s.store().upkeep();
    BOOST_TEST(upkeep.count_prunable({.done_before = s.now - 1000}) == 0);
    BOOST_TEST(upkeep.count_prunable({.done_before = s.now}) == 3);
    BOOST_TEST(upkeep.count_prunable({.done_before = s.now, .dead_before = s.now}) == 5);
    // A done delivery keeps its event.
    const bx::PruneOrder order{.done_before = s.now - 1000, .dead_before = s.now};
    BOOST_TEST(upkeep.count_prunable(order) == 1);
    BOOST_TEST(upkeep.prune(order).deleted == 1U);
    BOOST_TEST(upkeep.count_prunable(order) == 0);
}

BOOST_AUTO_TEST_CASE(unfinished_events_are_never_pruned) {
    Scene s;
    s.add("1");
    s.put("2");
    s.match(s.add("3"), Hooks{"a", "b"});
    BOOST_TEST(s.claim(1, [](const std::string& hook) { return hook == "a" ? 1U : 0U; }) == "3/a#1");
    s.done("3/a");
    s.now += 365 * bx::day;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now, .dead_before = s.now}).deleted == 0U);
}

BOOST_AUTO_TEST_CASE(dead_ones_are_pruned_only_when_asked) {
    Scene s;
    s.match(s.add("1"), Hooks{"a", "b"});
    s.claim(2);
    s.dead("1/a");
    s.done("1/b");
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 0U);
    // Its done delivery is kept for longer here: the event goes when its last delivery may.
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now - 1000, .dead_before = s.now}).deleted == 0U);
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now, .dead_before = s.now}).deleted == 1U);
    BOOST_TEST(!s.store().view().event(1).has_value());
    BOOST_TEST(s.store().view().deliveries(1).empty());
    BOOST_TEST(s.store().view().attempts(1, "a").empty());
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.dead + status.done + status.events_matched == 0);
}

BOOST_AUTO_TEST_SUITE_END()
