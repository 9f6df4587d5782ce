// What a person asks for and looks at: retry, cancel, list, status, prune.
#include <boost/test/unit_test.hpp>

#include <future>

#include "store_scene.h"

using store_tests::Scene;
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
    return where([&](auto& f) { f.state = bx::row_state(state).value(); });
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

BOOST_AUTO_TEST_CASE(a_done_delivery_is_retried_only_by_its_name) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.done("1/crm");
    BOOST_TEST(!s.retry(1).done());
    BOOST_TEST(text_of(s.retry(1)) == "1 has no dead or cancelled delivery");
    const bx::Outcome outcome = s.retry(1, "crm");
    BOOST_TEST(outcome.done());
    BOOST_TEST(text_of(outcome) == "its secrets were erased before, hooks get it without");
    BOOST_TEST(s.claim(1) == "1/crm#2");
    BOOST_TEST(s.claims.at("1/crm").event.secrets_erased);
    BOOST_TEST(s.claims.at("1/crm").event.secrets == "");
}

BOOST_AUTO_TEST_CASE(a_skipped_event_is_matched_anew) {
    Scene s;
    s.skip(s.add("1"), "no hook takes it");
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
    BOOST_TEST(text_of(s.retry(2, "crm")) == "2/crm is waiting");
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
    BOOST_TEST(text_of(outcome) == "its secrets were erased before, hooks get it without");
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
                                                "no hook takes it"}}, s.now);
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
        s.skip(event, "no hook takes it");
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

// -- Looking

BOOST_AUTO_TEST_CASE(a_list_is_newest_first_with_new_and_skipped_events) {
    Scene s;
    s.skip(s.add("1"), "none");
    s.add("2");
    s.match(s.add("3"), Hooks{"b", "a"});
    BOOST_TEST(s.list({}) == "3/a 3/b 2/- 1/-");
    BOOST_TEST(s.list(where([&](auto& f) { f.limit = 2; })) == "3/a 3/b");
    BOOST_TEST(s.list(where([&](auto& f) { f.after = 1; })) == "3/a 3/b 2/-");
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
    BOOST_TEST(s.list(where([&](auto& f) { f.hook = "a"; })) == "3/a 1/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.portal = "Q"; })) == "4/- 2/b");
    BOOST_TEST(s.list(where([&](auto& f) { f.portal = "some.EXAMPLE"; })) == "4/- 3/a 2/b 1/a");
    BOOST_TEST(s.list(where([&](auto& f) { f.since = s.now; })) == "4/- 3/a 2/b");
    BOOST_TEST(s.list(where([&](auto& f) { f.since = s.now + 1; })) == "");
    BOOST_TEST(s.list(where([&](auto& f) {
        f.state = bx::RowState::waiting;
        f.hook = "a";
        f.since = s.now;
    })) == "3/a");
}

BOOST_AUTO_TEST_CASE(a_clock_that_stepped_back_hides_no_event) {
    Scene s;
    s.now += bx::day;
    s.add("1");
    s.now -= bx::day;
    s.add("2");
    BOOST_TEST(s.list(where([&](auto& f) { f.since = s.now + 1; })) == "1/-");
    BOOST_TEST(s.list(where([&](auto& f) { f.since = s.now; })) == "2/- 1/-");
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
    s.now += 60'000;
    s.claim(1);
    BOOST_TEST(s.store().view().status(s.now).blocked.size() == 2U);  // it runs again, and may fail again
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
