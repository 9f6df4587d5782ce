// The store's promises, whichever kind of store it is.
#include <boost/test/unit_test.hpp>

#include "store_scene.h"

using store_tests::Scene;
using bx::AttemptResult;
using bx::DeliveryState;
using Hooks = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(store)

// -- Adding

BOOST_AUTO_TEST_CASE(numbers_grow_in_the_order_of_receipt) {
    Scene s;
    const std::vector<bx::NewEvent> batch = {Scene::event("1"), Scene::event("2"),
                                             Scene::event("3")};
    const auto numbers = s.store().sink().add(batch, 100);
    BOOST_TEST(numbers.size() == 3U);
    BOOST_TEST((numbers[0] < numbers[1] && numbers[1] < numbers[2]));
    BOOST_TEST(s.add("4") > numbers[2].value());
}

BOOST_AUTO_TEST_CASE(numbers_are_never_used_again) {
    Scene s;
    const bx::EventNumber last = s.add("1");
    s.skip(last, "none");
    s.now += bx::day;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 1U);
    s.open();
    BOOST_TEST(s.add("2") > last);
}

BOOST_AUTO_TEST_CASE(an_event_is_kept_byte_for_byte) {
    Scene s;
    bx::NewEvent in = Scene::event("a\0b\xFF");
    in.facts = {
        "ONX",       std::string("k\0\xFE", 3), std::string("i\0d", 3), "Do.Main", "", "7", "655",
        "1736424182"};
    in.origin = bx::Origin::test;
    in.body = std::string("\0\xFF body", 7);
    in.secrets = std::string("\0\0s\0\0", 5);
    const bx::StoredEvent out = s.store().view().event(s.add(in)).value();
    BOOST_TEST(out.facts.code == in.facts.code);
    BOOST_TEST(out.facts.kind == in.facts.kind);
    BOOST_TEST(out.facts.id == in.facts.id);
    BOOST_TEST(out.facts.domain == in.facts.domain);
    BOOST_TEST(out.facts.member_id == in.facts.member_id);
    BOOST_TEST(out.facts.user_id == "7");
    BOOST_TEST(out.facts.handler_id == "655");
    BOOST_TEST(out.facts.ts == "1736424182");
    BOOST_TEST((out.origin == in.origin));
    BOOST_TEST(out.received_at == s.now);
    BOOST_TEST(out.body == in.body);
    BOOST_TEST(out.secrets == in.secrets);
    BOOST_TEST(!out.secrets_erased);
    BOOST_TEST((out.state == bx::EventState::fresh));
}

BOOST_AUTO_TEST_CASE(how_an_event_came_is_kept) {
    Scene s;
    std::string origins;
    for (const bx::Origin origin :
         {bx::Origin::post, bx::Origin::offline, bx::Origin::test, bx::Origin::self}) {
        bx::NewEvent in = Scene::event("1");
        in.origin = origin;
        origins += name_of(s.store().view().event(s.add(in)).value().origin);
        origins += ' ';
    }
    BOOST_TEST(origins == "post offline test self ");
}

BOOST_AUTO_TEST_CASE(only_the_events_beyond_the_limit_are_refused) {
    Scene s;
    s.add("1");
    const std::vector<bx::NewEvent> batch = {Scene::event("2"), Scene::event("3"),
                                             Scene::event("4")};
    const auto numbers = s.store().sink().add(batch, 3);
    BOOST_TEST((numbers[0] && numbers[1] && !numbers[2]));
    BOOST_TEST(!s.store().sink().add(batch, 3)[0].has_value());
    s.skip(1, "none");
    BOOST_TEST(s.store().sink().add(batch, 3)[0].has_value());
}

BOOST_AUTO_TEST_CASE(what_one_opens_another_finds) {
    Scene s;
    s.put("1");
    const auto other = s.another();
    BOOST_TEST(other->view().deliveries(1).size() == 1U);
    s.add("2");
    BOOST_TEST(other->matching().undispatched(10).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_probe_changes_nothing_and_counts_the_unfinished) {
    Scene s;
    BOOST_TEST(s.store().sink().probe() == 0);
    s.add("1");
    s.put("2");
    BOOST_TEST(s.store().sink().probe() == 2);
    BOOST_TEST(s.store().sink().probe() == 2);
    BOOST_TEST(s.store().upkeep().unfinished() > 0);
}

// -- Matching

BOOST_AUTO_TEST_CASE(new_events_come_in_order_with_body_and_secrets) {
    Scene s;
    s.add("1");
    s.add("2");
    s.add("3");
    s.match(2, Hooks{"crm"});
    const auto events = s.store().matching().undispatched(10);
    BOOST_TEST(events.size() == 2U);
    BOOST_TEST(events[0].number == 1);
    BOOST_TEST(events[1].number == 3);
    BOOST_TEST(events[0].body == "body of 1");
    BOOST_TEST(events[0].secrets == "secret of 1");
    BOOST_TEST(s.store().matching().undispatched(1).size() == 1U);
}

BOOST_AUTO_TEST_CASE(new_events_are_bounded_in_bytes_but_never_none) {
    Scene s;
    for (const char* id : {"1", "2", "3"}) s.add(id);
    const std::size_t one = std::string("body of 1secret of 1").size();
    const auto count = [&](std::size_t at_most, std::size_t bytes) {
        return s.store().matching().undispatched(at_most, bytes).size();
    };
    BOOST_TEST(count(9, 1) == 1U);
    BOOST_TEST(count(9, one) == 1U);
    BOOST_TEST(count(9, one + 1) == 2U);
    BOOST_TEST(count(1, 100 * one) == 1U);
    BOOST_TEST(count(9, 100 * one) == 3U);
    s.match(2, Hooks{"crm"});  // 1 is a new one among those that are matched
    BOOST_TEST(count(9, one) == 1U);
    BOOST_TEST(count(9, one + 1) == 2U);
    BOOST_TEST(count(9, 100 * one) == 2U);
}

BOOST_AUTO_TEST_CASE(a_skipped_event_says_why_and_loses_its_secrets) {
    Scene s;
    s.skip(s.add("1"), "no matching hook");
    const bx::StoredEvent event = s.store().view().event(1).value();
    BOOST_TEST((event.state == bx::EventState::skipped));
    BOOST_TEST(event.reason == "no matching hook");
    BOOST_TEST(event.refused.size() == 1U);
    BOOST_TEST(event.refused[0].hook == "crm");
    BOOST_TEST(event.refused[0].reason == "disabled");
    BOOST_TEST((event.refused[0].rule == bx::HookRule::disabled));
    std::vector<bx::ListRow> rows = s.store().view().list({});
    s.store().view().add_causes(rows);
    BOOST_TEST((rows.at(0).event.refused.at(0).rule == bx::HookRule::disabled));
    BOOST_TEST(s.secrets(1) == "erased");
    BOOST_TEST(event.body == "body of 1");
    BOOST_TEST(!s.store().upkeep().unfinished() > 0);
}

BOOST_AUTO_TEST_CASE(a_delivery_may_wait_for_a_reason_until_it_has_run) {
    Scene s;
    bx::NewDelivery twin = s.delivery("twin");
    twin.reason = "two hooks have this name";
    s.match(s.add("1"), std::vector{s.delivery("crm"), twin});
    BOOST_TEST(s.record(1, "crm").reason == "");
    BOOST_TEST(s.record(1, "twin").reason == "two hooks have this name");
    s.claim(2);
    s.done("1/twin");
    BOOST_TEST(s.record(1, "twin").reason == "");
}

BOOST_AUTO_TEST_CASE(an_event_cancelled_before_its_match_is_passed_over) {
    Scene s;
    s.add("1");
    BOOST_TEST(s.cancel(1).done());
    s.match(1, Hooks{"crm"});
    BOOST_TEST(s.store().view().deliveries(1).empty());
    BOOST_TEST(s.store().view().event(1)->reason == "cancelled");
}

BOOST_AUTO_TEST_CASE(a_match_that_fails_changes_nothing) {
    Scene s;
    s.add("1");
    s.add("2");
    // Two deliveries of one name cannot be.
    const std::vector<bx::Dispatch> verdicts = {{1, {s.delivery("a")}, {}, {}},
                                                {2, {s.delivery("b"), s.delivery("b")}, {}, {}}};
    BOOST_CHECK_THROW(s.store().matching().dispatch(verdicts, s.now), bx::StoreError);
    BOOST_TEST(s.store().matching().undispatched(10).size() == 2U);
    BOOST_TEST(s.store().view().status(s.now).waiting == 0);
}

// -- Lanes

BOOST_AUTO_TEST_CASE(a_lane_runs_one_at_a_time_in_order) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("7");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    BOOST_TEST(s.claim(9) == "");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    s.dead("2/crm");
    BOOST_TEST(s.claim(9) == "3/crm#1");
}

BOOST_AUTO_TEST_CASE(a_failing_delivery_holds_its_lane_and_no_other) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("8");
    BOOST_TEST(s.claim(9) == "1/crm#1 3/crm#1");
    s.fails("1/crm", 1000);
    BOOST_TEST(s.claim(9) == "");
    s.now += 999;
    BOOST_TEST(s.claim(9) == "");
    s.now += 1;
    BOOST_TEST(s.claim(9) == "1/crm#2");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
}

BOOST_AUTO_TEST_CASE(lanes_are_told_apart_by_hook_portal_kind_and_id) {
    Scene s;
    bx::NewEvent other_kind = Scene::event("7");
    other_kind.facts.kind = "ONCRMLEAD";
    bx::NewEvent moved_boundary = Scene::event("L7");  // kind and id run together are the same
    moved_boundary.facts.kind = "ONCRMDEA";
    bx::NewEvent by_domain = Scene::event("7", "");
    by_domain.facts.domain = "P";
    s.add("7");
    s.add("7", "q");
    s.add("8");
    s.add(other_kind);
    s.add(moved_boundary);
    s.add(by_domain);
    for (bx::EventNumber n = 1; n <= 5; ++n) s.match(n, Hooks{"a", "b"});
    BOOST_TEST(s.store().runs().claim(99, [](auto&) { return 99U; }, s.now).size() == 10U);
    s.match(6, Hooks{"a"});  // without a member_id the domain in lower case: the lane of event 1
    BOOST_TEST(s.claim(9) == "");
}

BOOST_AUTO_TEST_CASE(without_id_or_order_there_is_no_lane) {
    Scene s;
    s.put("");
    s.put("");
    bx::NewDelivery unordered = s.delivery("crm");
    unordered.ordered = false;
    s.put("7", unordered);
    s.put("7", unordered);
    BOOST_TEST(s.claim(9) == "1/crm#1 2/crm#1 3/crm#1 4/crm#1");
}

BOOST_AUTO_TEST_CASE(blocked_by_is_the_unfinished_one_before_it) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("7");
    BOOST_TEST(!s.record(1).blocked_by.has_value());
    BOOST_TEST(s.record(2).blocked_by.value() == 1);
    BOOST_TEST(s.record(3).blocked_by.value() == 2);
    s.claim(1);
    BOOST_TEST(s.record(2).blocked_by.value() == 1);
    s.done("1/crm");
    BOOST_TEST(!s.record(2).blocked_by.has_value());
    const auto rows = s.store().view().list({});
    BOOST_TEST(rows[0].delivery->blocked_by.value() == 2);
}

// -- Due times and fairness

BOOST_AUTO_TEST_CASE(a_delay_is_waited_for) {
    Scene s;
    bx::NewDelivery later = s.delivery("crm");
    later.due_at = s.now + 500;
    s.put("1", later);
    s.put("1");  // behind it, though its own time has come
    BOOST_TEST(s.claim(9) == "");
    BOOST_TEST(s.store().runs().next_due(s.now).value() == s.now + 500);
    s.now += 500;
    BOOST_TEST(s.claim(9) == "1/crm#1");
    BOOST_TEST(!s.store().runs().next_due(s.now).has_value());
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
}

BOOST_AUTO_TEST_CASE(nothing_waits_beyond_the_cap) {
    Scene s;
    bx::NewDelivery later;
    later.hook = "crm";
    later.due_at = s.now + bx::day;
    s.put("1", later);
    later.due_at = s.now + bx::hour;
    s.put("2", later);
    s.store().upkeep().cap_due(s.now + 2 * bx::hour);  // as after a clock was set back
    BOOST_TEST(s.record(1).due_at.value() == s.now + 2 * bx::hour);
    BOOST_TEST(s.record(2).due_at.value() == s.now + bx::hour);
    s.now += 2 * bx::hour;
    BOOST_TEST(s.claim(9) == "1/crm#1 2/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(slots_go_round_the_hooks_and_across_calls) {
    Scene s;
    for (int i = 0; i < 4; ++i) s.put(std::to_string(i), "a");
    s.put("1", "b");
    s.put("2", "c");
    BOOST_TEST(s.claim(2) == "1/a#1 5/b#1");
    s.put("3", "b");
    BOOST_TEST(s.claim(4) == "6/c#1 2/a#1 7/b#1 3/a#1");
    BOOST_TEST(s.claim(4) == "4/a#1");
}

BOOST_AUTO_TEST_CASE(within_a_hook_slots_go_round_the_portals) {
    Scene s;
    for (int i = 0; i < 3; ++i) s.put(std::to_string(i), "a", "p");
    s.put("1", "a", "q");
    s.put("1", "a", "");
    BOOST_TEST(s.claim(1) == "1/a#1");  // the domain "some.example" comes after p and q
    BOOST_TEST(s.claim(3) == "4/a#1 5/a#1 2/a#1");
    BOOST_TEST(s.claim(3) == "3/a#1");
}

BOOST_AUTO_TEST_CASE(a_backlog_of_one_hook_does_not_delay_another) {
    Scene s;
    std::vector<bx::NewEvent> batch(100'000, Scene::event(""));
    std::vector<bx::Dispatch> verdicts;
    for (const auto& number : s.store().sink().add(batch, 1'000'000)) {
        verdicts.push_back({number.value(), {s.delivery("busy")}, {}, {}});
    }
    s.store().matching().dispatch(verdicts, s.now);
    BOOST_TEST(s.claim(1) == "1/busy#1");
    s.put("1", "idle");
    BOOST_TEST(s.claim(1) == "100001/idle#1");
}

BOOST_AUTO_TEST_CASE(more_than_can_be_called_at_once_are_called_when_slots_are_free) {
    Scene s;
    bx::NewDelivery later = s.delivery("full");
    later.due_at = s.now + 10;
    std::vector<bx::NewEvent> batch(2500, Scene::event(""));
    std::vector<bx::Dispatch> verdicts;
    for (const auto& number : s.store().sink().add(batch, 10000)) {
        verdicts.push_back({number.value(), {later}, {}, {}});
    }
    s.store().matching().dispatch(verdicts, s.now);
    later.hook = "free";
    later.due_at = s.now + 11;
    s.put("1", later);
    s.now += 11;
    const auto room = [](const std::string& hook) { return hook == "free" ? 5U : 0U; };
    BOOST_TEST(s.claim(1, room) == "2501/free#1");
}

BOOST_AUTO_TEST_CASE(a_hook_without_room_is_passed_over) {
    Scene s;
    s.put("1", "a");
    s.put("2", "a");
    s.put("3", "b");
    const auto room = [](const std::string& hook) { return hook == "a" ? 1U : 0U; };
    BOOST_TEST(s.claim(9, room) == "1/a#1");
    BOOST_TEST(s.claim(9, [](const std::string&) { return 0U; }) == "");
    BOOST_TEST(s.claim(9) == "3/b#1 2/a#1");
    BOOST_TEST(s.claim(0) == "");
}

BOOST_AUTO_TEST_CASE(the_room_of_a_run_that_ended_is_taken_at_once) {
    Scene s;
    s.put("1");
    s.put("2");
    const auto one = [](const std::string&) { return 1U; };
    BOOST_TEST(s.claim(9, one) == "1/crm#1");
    BOOST_TEST(s.claim(9, one) == "");
    const bx::Finish ended =
        s.ending("1/crm", bx::AttemptResult::done, bx::DeliveryState::done);
    BOOST_TEST(s.claim(9, one, {ended}) == "2/crm#1");
}

// -- Claim and finish

BOOST_AUTO_TEST_CASE(a_claim_carries_the_event_and_names_its_run) {
    Scene s;
    s.put("1");
    s.claim(1);
    const bx::Claim first = s.claims.at("1/crm");
    BOOST_TEST(first.event.body == "body of 1");
    BOOST_TEST(first.event.secrets == "secret of 1");
    BOOST_TEST(first.max_attempts == 3);
    s.fails("1/crm", 0);
    s.claim(1);
    BOOST_TEST(s.claims.at("1/crm").attempt == 2);
    BOOST_TEST(s.claims.at("1/crm").run != first.run);
    const auto attempts = s.store().view().attempts(1, "crm");
    BOOST_TEST(attempts.size() == 2U);
    BOOST_TEST(attempts[0].run == first.run);
    BOOST_TEST((attempts[1].result == AttemptResult::running));
}

BOOST_AUTO_TEST_CASE(an_attempt_is_recorded_as_it_ended) {
    Scene s;
    s.put("1");
    s.claim(1);
    bx::Finish run = s.ending("1/crm", AttemptResult::timeout, DeliveryState::waiting);
    run.signal = "SIGTERM";
    run.reason = "over 60s";
    run.due_at = s.now + 7000;
    run.ended_at = s.now + 5;
    run.delivery_reason = "timeout";
    run.out = {std::string("a\0b\xFF", 4), 70'000};
    run.err = {"why", 3};
    s.finish(run);
    const bx::AttemptRecord attempt = s.store().view().attempts(1, "crm").at(0);
    BOOST_TEST((attempt.result == AttemptResult::timeout));
    BOOST_TEST(!attempt.exit.has_value());
    BOOST_TEST(attempt.signal == "SIGTERM");
    BOOST_TEST(attempt.reason == "over 60s");
    BOOST_TEST(attempt.started_at == s.now);
    BOOST_TEST(attempt.ended_at.value() == s.now + 5);
    BOOST_TEST(attempt.out.kept == run.out.kept);
    BOOST_TEST(attempt.out.bytes == 70'000);
    BOOST_TEST(attempt.err.kept == "why");
    const bx::DeliveryRecord record = s.record(1);
    BOOST_TEST((record.state == DeliveryState::waiting));
    BOOST_TEST(record.reason == "timeout");
    BOOST_TEST(record.attempt == 1);
    BOOST_TEST(record.due_at.value() == s.now + 7000);
    BOOST_TEST(!record.ended_at.has_value());
}

BOOST_AUTO_TEST_CASE(a_late_finish_of_another_attempt_changes_nothing) {
    Scene s;
    s.put("1");
    s.claim(1);
    const bx::Finish late = s.ending("1/crm", AttemptResult::done, DeliveryState::done);
    s.fails("1/crm", 0);
    s.finish(late);
    BOOST_TEST(s.state(1) == "waiting");
    s.claim(1);
    s.finish(late);
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST((s.store().view().attempts(1, "crm")[0].result == AttemptResult::failed));
}

BOOST_AUTO_TEST_CASE(an_interrupted_run_does_not_count) {
    Scene s;
    s.put("1");
    s.claim(1);
    bx::Finish run = s.ending("1/crm", AttemptResult::interrupted, DeliveryState::waiting);
    run.counts = false;
    run.due_at = s.now;
    s.finish(run);
    BOOST_TEST(s.record(1).attempt == 1);
    BOOST_TEST(s.record(1).max_attempts == 4);
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.blocked.empty());
    BOOST_TEST(status.hooks.at(0).failed_1h == 0);
    BOOST_TEST(s.claim(1) == "1/crm#2");
}

BOOST_AUTO_TEST_CASE(output_so_far_is_kept_until_the_run_ends) {
    Scene s;
    s.put("1");
    s.claim(1);
    s.store().runs().save_output(1, "crm", 1, {"half", 4}, {"", 0});
    BOOST_TEST(s.store().view().attempts(1, "crm")[0].out.kept == "half");
    bx::Finish run = s.ending("1/crm", AttemptResult::done, DeliveryState::done);
    run.out = {"whole", 5};
    s.finish(run);
    s.store().runs().save_output(1, "crm", 1, {"late", 4}, {"", 0});
    BOOST_TEST(s.store().view().attempts(1, "crm")[0].out.kept == "whole");
}

BOOST_AUTO_TEST_CASE(what_a_dead_worker_left_running_is_found) {
    Scene s;
    s.put("1");
    s.put("2", "b");
    s.put("3");
    s.claim(2);
    s.store().runs().save_output(1, "crm", 1, {"half", 400}, {"oh", 2});
    s.open();
    const auto orphans = s.store().runs().orphans({});
    BOOST_TEST(orphans.size() == 2U);
    BOOST_TEST(orphans[0].event == 1);
    BOOST_TEST(orphans[1].hook == "b");
    BOOST_TEST(orphans[0].run == s.claims.at(orphans[0].hook == "b" ? "2/b" : "1/crm").run);
    BOOST_TEST(orphans[0].started_at == s.now);
    BOOST_TEST(orphans[0].max_attempts == 3);
    BOOST_TEST(orphans[0].out.kept == "half");
    BOOST_TEST(orphans[0].out.bytes == 400);
    BOOST_TEST(orphans[0].err.kept == "oh");
    BOOST_TEST(orphans[1].out.kept == "");
}

// -- Secrets

BOOST_AUTO_TEST_CASE(secrets_stay_until_the_last_delivery_has_ended) {
    Scene s;
    s.add("1");
    s.match(1, Hooks{"a", "b"});
    s.claim(2);
    s.done("1/a");
    BOOST_TEST(s.secrets(1) == "secret of 1");
    s.done("1/b");
    BOOST_TEST(s.secrets(1) == "erased");
    BOOST_TEST(s.store().view().event(1)->body == "body of 1");
}

BOOST_AUTO_TEST_CASE(secrets_stay_while_a_delivery_is_dead) {
    Scene s;
    s.add("1");
    s.match(1, Hooks{"a", "b"});
    s.claim(2);
    s.dead("1/a");
    s.done("1/b");
    BOOST_TEST(s.secrets(1) == "secret of 1");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.claim(1) == "1/a#2");
    BOOST_TEST(s.claims.at("1/a").event.secrets == "secret of 1");
    s.done("1/a");
    BOOST_TEST(s.secrets(1) == "erased");
}

BOOST_AUTO_TEST_CASE(a_cancelled_or_merged_delivery_has_ended) {
    Scene s;
    s.put("1");
    s.cancel(1);
    BOOST_TEST(s.secrets(1) == "erased");
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.put("2", merging);
    s.put("2", merging);
    BOOST_TEST(s.secrets(2) == "erased");
    BOOST_TEST(s.secrets(3) == "secret of 2");
}

BOOST_AUTO_TEST_CASE(every_erasure_is_scrubbed_once) {
    Scene s;
    BOOST_TEST(s.store().upkeep().scrub());
    s.put("1");
    s.claim(1);
    s.done("1/crm");
    BOOST_TEST(s.store().upkeep().scrub());
    BOOST_TEST(s.store().upkeep().scrub());
}

// -- Coalescing

BOOST_AUTO_TEST_CASE(a_waiting_delivery_merges_into_the_newer_one) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    merging.due_at = s.now + 1000;
    s.put("7", merging);
    s.now += 600;
    merging.due_at = s.now + 1000;
    s.put("7", merging);
    const bx::DeliveryRecord merged = s.record(1);
    BOOST_TEST((merged.state == DeliveryState::merged));
    BOOST_TEST(merged.merged_into.value() == 2);
    BOOST_TEST(merged.ended_at.value() == s.now);
    BOOST_TEST(!merged.due_at.has_value());
    s.now += 400;  // the first one's time: a steady stream still runs once per delay
    BOOST_TEST(s.claim(9) == "2/crm#1");
}

BOOST_AUTO_TEST_CASE(a_merged_deliverys_attempts_are_taken_over) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.put("7", merging);
    s.claim(1);
    s.fails("1/crm", 5000);
    s.put("7", merging);
    BOOST_TEST(s.record(2).attempt == 1);
    BOOST_TEST(s.record(2).due_at.value() == s.now + 5000);
    BOOST_TEST(s.record(2).reason == "exit 1");
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.blocked.size() == 1U);
    BOOST_TEST(status.blocked[0].event == 2);
    s.now += 5000;
    BOOST_TEST(s.claim(1) == "2/crm#2");
}

BOOST_AUTO_TEST_CASE(only_waiting_ones_of_the_same_lane_and_code_merge) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    s.put("7", merging);                      // 1: will run
    s.claim(1);
    s.put("7", merging, "ONCRMDEALADD");      // 2: another code
    s.put("8", merging);                      // 3: another lane
    s.put("", merging);                       // 4: no lane
    bx::NewDelivery other = merging;
    other.hook = "erp";
    s.put("7", other);                        // 5: another hook
    s.put("7", merging);                      // 6
    s.put("", merging);                       // 7
    BOOST_TEST(s.store().view().status(s.now).merged == 0);
    s.put("7", merging);                      // 8 takes 6
    BOOST_TEST(s.record(6).merged_into.value() == 8);
    BOOST_TEST(s.store().view().status(s.now).merged == 1);
    BOOST_TEST(s.record(8).blocked_by.value() == 2);
}

BOOST_AUTO_TEST_CASE(a_storm_of_updates_leaves_one_waiting) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    std::vector<bx::Dispatch> verdicts;
    for (const auto& number :
         s.store().sink().add(std::vector<bx::NewEvent>(2000, Scene::event("7")), 10000)) {
        verdicts.push_back({number.value(), {merging}, {}, {}});
    }
    s.store().matching().dispatch(verdicts, s.now);
    BOOST_TEST(s.store().view().status(s.now).merged == 1999);
    BOOST_TEST(s.claim(9) == "2000/crm#1");
    BOOST_TEST(s.store().view().status(s.now).unfinished == 1);
}

BOOST_AUTO_TEST_SUITE_END()
