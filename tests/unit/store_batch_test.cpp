// What the store does in steps, and what one damaged or impossible row does to the rest.
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <thread>

#include "store_scene.h"

using store_tests::PostgresServer;
using store_tests::Scene;
using bx::DeliveryState;
using Hooks = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(store_batch)

namespace {

// As no program of ours would: in each kind of store by its statement.
void harm(const Scene& scene, const std::string& sqlite, const std::string& postgresql) {
    if (PostgresServer::wanted()) {
        PostgresServer::instance().query("SET search_path = bxhook");
        PostgresServer::instance().query(postgresql);
    } else {
        bx::sqlite::Database(scene.place(), {}).script(sqlite);
    }
}

void lose_body(const Scene& scene) {
    harm(scene, "UPDATE event SET body = x'' WHERE n = 1", "UPDATE event SET body = '' WHERE n = 1");
}

bx::Dispatch set_aside(bx::EventNumber event) {
    bx::Dispatch verdict;
    verdict.event = event;
    verdict.skip_reason = "cannot be matched: it is too large";
    verdict.retryable = true;
    return verdict;
}

std::vector<bx::EventNumber> add_many(Scene& scene, std::size_t count, const std::string& id) {
    std::vector<bx::EventNumber> numbers;
    const std::vector<bx::NewEvent> batch(count, Scene::event(id));
    for (const auto& number : scene.store().sink().add(batch, 1'000'000)) {
        numbers.push_back(number.value());
    }
    return numbers;
}

// COUNT that wait in one lane.
void put_many(Scene& scene, std::size_t count, const bx::NewDelivery& delivery) {
    std::vector<bx::Dispatch> verdicts;
    for (const bx::EventNumber number : add_many(scene, count, "7")) {
        verdicts.push_back({number, {delivery}, {}, {}});
    }
    scene.store().matching().dispatch(verdicts, scene.now);
}

}  // namespace

// -- Set aside

BOOST_AUTO_TEST_CASE(an_event_set_aside_keeps_its_secrets_until_it_is_matched_anew) {
    Scene s;
    s.store().matching().dispatch(std::vector{set_aside(s.add("1"))}, s.now);
    s.skip(s.add("2"), "no matching hook");
    BOOST_TEST(s.store().view().event(1)->retryable);
    BOOST_TEST(!s.store().view().event(2)->retryable);
    BOOST_TEST(s.secrets(1) == "secret of 1");
    BOOST_TEST(s.secrets(2) == "erased");
    const auto rows = s.store().view().list({});
    BOOST_TEST(rows.at(1).event.retryable);
    BOOST_TEST(!rows.at(0).event.retryable);
    BOOST_TEST(!s.store().upkeep().unfinished() > 0);
    BOOST_TEST(s.recount() == "");

    const bx::Outcome outcome = s.retry(1);
    BOOST_TEST(outcome.done());
    BOOST_TEST(text_of(outcome) == "");
    BOOST_TEST(!s.store().view().event(1)->retryable);
    BOOST_TEST(s.store().matching().undispatched(9).at(0).secrets == "secret of 1");
    s.match(1, Hooks{"crm"});
    BOOST_TEST(s.claim(1) == "1/crm#1");
    BOOST_TEST(s.claims.at("1/crm").event.secrets == "secret of 1");
    s.done("1/crm");
    BOOST_TEST(s.secrets(1) == "erased");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_set_aside_is_kept_as_long_as_a_dead_one) {
    Scene s;
    s.store().matching().dispatch(std::vector{set_aside(s.add("1"))}, s.now);
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 0U);
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now, .dead_before = s.now}).deleted == 1U);
    BOOST_TEST(s.store().view().status(s.now).events_skipped == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_a_table_does_not_take_is_told_from_a_store_in_trouble) {
    Scene s;
    s.add("1");
    const std::vector<bx::Dispatch> twice = {{1, {s.delivery("b"), s.delivery("b")}, {}, {}}};
    BOOST_CHECK_THROW(s.store().matching().dispatch(twice, s.now), bx::StoreDataError);
    s.store().matching().dispatch(std::vector{set_aside(1)}, s.now);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(the_number_of_refusals_that_are_not_kept_is) {
    Scene s;
    bx::Dispatch verdict{s.add("1"), {s.delivery("crm")}, {{"a", "disabled"}}, {}, 980};
    bx::Dispatch skip{s.add("2"), {}, {{"a", "disabled"}}, "no matching hook", 7};
    s.store().matching().dispatch(std::vector{verdict, skip}, s.now);
    BOOST_TEST(s.store().view().event(1)->refused.size() == 1U);
    BOOST_TEST(s.store().view().event(1)->refused_more == 980);
    BOOST_TEST(s.store().view().event(2)->refused_more == 7);
    s.retry(2);
    BOOST_TEST(s.store().view().event(2)->refused_more == 0);
}

// -- Damaged rows

BOOST_AUTO_TEST_CASE(a_missing_body_is_the_damage_of_its_event_alone) {
    Scene s;
    s.add("1");
    s.add("2");
    lose_body(s);
    const auto events = s.store().matching().undispatched(9);
    BOOST_REQUIRE(events.size() == 2U);
    BOOST_TEST(events[0].damage == "its body is missing");
    BOOST_TEST(events[1].damage == "");
    BOOST_TEST(events[1].body == "body of 2");
    BOOST_TEST(s.store().view().event(1)->damage == "its body is missing");
    BOOST_TEST(s.list({}) == "2/- 1/-");
    BOOST_TEST(s.cancel(1).done());
}

BOOST_AUTO_TEST_CASE(a_delivery_whose_event_cannot_be_read_is_claimed_and_can_end) {
    Scene s;
    s.put("7");
    s.put("7");
    s.put("8");
    lose_body(s);
    BOOST_TEST(s.claim(9) == "1/crm#1 3/crm#1");
    BOOST_TEST(s.claims.at("1/crm").event.damage == "its body is missing");
    BOOST_TEST(s.claims.at("3/crm").event.damage == "");
    s.dead("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.state(1) == "dead");
    BOOST_TEST(s.store().view().attempts(1, "crm").size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_delivery_whose_event_is_gone_ends_like_any_other) {
    Scene s;
    s.put("7");
    s.put("7");
    harm(s, "DELETE FROM event WHERE n = 1", "DELETE FROM event WHERE n = 1");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    BOOST_TEST(s.claims.at("1/crm").event.damage == "its event is missing");
    s.dead("1/crm");
    BOOST_TEST(s.state(1) == "dead");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    s.done("2/crm");
    BOOST_TEST(s.list({}) == "2/crm");
}

BOOST_AUTO_TEST_CASE(numbers_that_mean_nothing_are_shown_as_damage) {
    Scene s;
    s.put("1");
    s.put("2");
    s.claim(9);
    s.fails("1/crm", 0);
    s.dead("2/crm");
    const std::string by_hand = "PRAGMA ignore_check_constraints = ON; ";
    harm(s, by_hand + "UPDATE attempt SET result = 77",
         "ALTER TABLE attempt DROP CONSTRAINT attempt_result_check; UPDATE attempt SET result = 77; "
         "ALTER TABLE attempt ADD CONSTRAINT attempt_result_check "
         "CHECK (result BETWEEN 1 AND 6) NOT VALID");
    harm(s, by_hand + "UPDATE ended SET state = 78",
         "ALTER TABLE ended DROP CONSTRAINT ended_state_check; UPDATE ended SET state = 78; "
         "ALTER TABLE ended ADD CONSTRAINT ended_state_check CHECK (state BETWEEN 2 AND 5) NOT VALID");
    BOOST_TEST(s.list({}) == "2/crm 1/crm");
    BOOST_TEST(s.state(2) == "damaged");
    BOOST_TEST(name_of(s.store().view().attempts(1, "crm").at(0).result) == "damaged");
    BOOST_TEST(s.claim(9) == "1/crm#2");
    BOOST_TEST(s.store().view().status(s.now).events_matched == 2);
}

BOOST_AUTO_TEST_CASE(events_that_are_passed_over_are_not_pruned) {
    Scene s;
    for (const char* id : {"1", "2", "3"}) s.skip(s.add(id), "no hook takes it");
    ++s.now;
    bx::PruneOrder order{.done_before = s.now, .at_most = 2};
    BOOST_TEST(s.store().upkeep().prunable(order) == (std::vector<bx::EventNumber>{1, 2}));
    order.passed_over = {1};
    BOOST_TEST(s.store().upkeep().prunable(order) == (std::vector<bx::EventNumber>{2, 3}));
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 2U);
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 0U);
    BOOST_TEST(s.list({}) == "1/-");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_has_no_state_without_meaning) {
    Scene s;
    s.add("1");
    BOOST_CHECK_THROW(harm(s, "UPDATE event SET origin = 7", "UPDATE event SET origin = 7"), std::exception);
}

// -- Steps

BOOST_AUTO_TEST_CASE(a_long_backlog_is_merged_in_steps) {
    Scene s;
    bx::NewDelivery plain = s.delivery("crm");
    plain.due_at = s.now + 5000;
    put_many(s, 700, plain);  // 1 to 700
    bx::NewDelivery merging = plain;
    merging.coalesce = true;
    merging.due_at = s.now + 9000;
    const bx::Dispatch verdict{s.add("7"), {merging}, {}, {}};
    std::int64_t merged = 0;
    int steps = 0;
    for (; s.store().matching().merge_ahead(std::vector{verdict}, s.now); ++steps) {
        const std::int64_t now = s.store().view().status(s.now).merged;
        BOOST_TEST(now - merged > 0);
        BOOST_TEST(now - merged <= 200);
        merged = now;
        BOOST_REQUIRE_EQUAL(s.recount(), "");
    }
    BOOST_TEST(steps == 4);
    s.store().matching().dispatch(std::vector{verdict}, s.now);
    BOOST_TEST(s.store().view().status(s.now).merged == 700);
    BOOST_TEST(s.store().view().status(s.now).unfinished == 1);
    BOOST_TEST(s.record(1).merged_into.value() == 700);
    BOOST_TEST(s.record(700).merged_into.value() == 701);
    BOOST_TEST(s.record(701).due_at.value() == s.now + 5000);
    BOOST_TEST(s.secrets(1) == "erased");
    BOOST_TEST(s.recount() == "");
    s.now += 5000;
    BOOST_TEST(s.claim(9) == "701/crm#1");
}

BOOST_AUTO_TEST_CASE(what_is_merged_ahead_hands_on_attempts_and_the_last_failure) {
    Scene s;
    bx::NewDelivery plain = s.delivery("crm");
    s.put("7", plain);
    s.claim(1);
    s.fails("1/crm", 5000);
    for (int i = 2; i <= 9; ++i) s.put("7", plain);
    bx::NewDelivery merging = plain;
    merging.coalesce = true;
    const std::vector<bx::Dispatch> verdict = {{s.add("7"), {merging}, {}, {}}};
    BOOST_TEST(s.store().matching().merge_ahead(verdict, s.now));
    BOOST_TEST(!s.store().matching().merge_ahead(verdict, s.now));
    BOOST_TEST(s.record(9).attempt == 1);
    BOOST_TEST(s.record(9).reason == "exit 1");
    BOOST_TEST(s.record(9).due_at.value() == s.now);  // the others' time
    BOOST_TEST(s.store().view().status(s.now).blocked.at(0).event == 9);
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "9/crm#2");
}

BOOST_AUTO_TEST_CASE(nothing_else_is_merged_ahead) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    bx::NewDelivery plain = s.delivery("crm");
    for (int i = 0; i < 9; ++i) s.put("7", plain, "ONCRMDEALADD");
    for (int i = 0; i < 5; ++i) s.put("7", plain);  // a dispatch does these by itself
    for (int i = 0; i < 9; ++i) s.put("", plain);
    const std::vector<bx::Dispatch> verdicts = {{s.add("7"), {merging}, {}, {}},
                                                {s.add(""), {merging}, {}, {}},
                                                {s.add("7"), {plain}, {}, {}},
                                                {999, {merging}, {}, {}}};
    BOOST_TEST(!s.store().matching().merge_ahead(verdicts, s.now));
    BOOST_TEST(s.store().view().status(s.now).merged == 0);
}

// With the limits of a worker, whatever the store: 1 s a statement on a server.
BOOST_AUTO_TEST_CASE(a_step_of_merging_takes_a_moment_however_long_the_backlog) {
    Scene s;
    put_many(s, 10'000, s.delivery("crm"));
    bx::StoreOptions options;
    options.role = bx::Role::worker;
    const auto worker = store_tests::open_store(s.place(), options);
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    const std::vector<bx::Dispatch> verdict = {{s.add("7"), {merging}, {}, {}}};
    bx::Millis longest = 0;
    for (bool more = true; more;) {
        const bx::Millis begun = bx::steady_now();
        more = worker->matching().merge_ahead(verdict, s.now);
        longest = std::max(longest, bx::steady_now() - begun);
    }
    worker->matching().dispatch(verdict, s.now);
    BOOST_TEST_MESSAGE("the longest step took " << longest << " ms");
    BOOST_TEST(longest < 1000);
    BOOST_TEST(s.store().view().status(s.now).merged == 10'000);
    BOOST_TEST(s.claim(9) == "10001/crm#1");
}

BOOST_AUTO_TEST_CASE(due_times_are_capped_in_steps) {
    Scene s;
    bx::NewDelivery later = s.delivery("crm");
    later.ordered = false;
    later.due_at = s.now + bx::day;
    put_many(s, 2500, later);
    const bx::Millis latest = s.now + bx::hour;
    BOOST_TEST(s.store().upkeep().cap_due(latest));
    BOOST_TEST(s.store().upkeep().cap_due(latest));
    BOOST_TEST(s.record(2500).due_at.value() == latest + 23 * bx::hour);
    BOOST_TEST(!s.store().upkeep().cap_due(latest));
    BOOST_TEST(s.record(2500).due_at.value() == latest);
    BOOST_TEST(!s.store().upkeep().cap_due(latest));
}

BOOST_AUTO_TEST_CASE(a_claim_that_did_not_come_to_all_that_is_due_says_so) {
    Scene s;
    bx::NewDelivery later = s.delivery("full");
    later.ordered = false;
    later.due_at = s.now + 10;
    put_many(s, 12'000, later);
    s.now += 10;
    const auto none = [](const std::string&) { return std::size_t{0}; };
    BOOST_TEST(s.claim(1, none) == "");
    BOOST_TEST(s.store().runs().next_due(s.now).value() == s.now);
    BOOST_TEST(s.claim(1, none) == "");
    BOOST_TEST(!s.store().runs().next_due(s.now).has_value());
}

BOOST_AUTO_TEST_CASE(fewer_events_are_pruned_at_once_when_many_rows_are_theirs) {
    Scene s;
    Hooks hooks;
    for (int i = 0; i < 600; ++i) hooks.push_back("h" + std::to_string(i));
    for (int i = 0; i < 3; ++i) {
        s.match(s.add(""), hooks);
        s.cancel(i + 1);
    }
    s.now += 1000;
    const bx::PruneOrder order{.done_before = s.now};
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 2U);
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 1U);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_came_later_than_is_asked_for_stays_whenever_it_ended) {
    Scene s;
    s.now += bx::day;
    const bx::EventNumber event = s.add("1");
    s.now -= bx::day;  // the clock was set back
    s.skip(event, "none");
    s.now += 1000;
    const bx::PruneOrder order{.done_before = s.now};
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 0U);
    BOOST_TEST(s.store().upkeep().count_prunable(order) == 0);
    BOOST_TEST(s.list({}) == "1/-");
}

BOOST_AUTO_TEST_CASE(only_events_of_one_code_are_merged_however_long_it_is) {
    Scene s;
    bx::NewDelivery merging = s.delivery("crm");
    merging.coalesce = true;
    merging.due_at = s.now + bx::second;
    for (const std::size_t length : {20U, 127U, 128U, 200U, 300U}) {
        const std::string code(length - 1, 'X');
        const std::string id = std::to_string(length);
        s.put(id, merging, code + "A");
        const bx::EventNumber other = s.put(id, merging, code + "B");
        BOOST_TEST(s.state(other - 1) == "waiting", length);
        s.put(id, merging, code + "B");
        BOOST_TEST(s.state(other) == "merged", length);
    }
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(disabled_hooks_with_work_are_not_asked_at_each_claim) {
    Scene s;
    const std::size_t disabled = 100;
    std::vector<std::string> hooks;
    for (std::size_t i = 0; i < disabled; ++i) hooks.push_back("off-" + std::to_string(i));
    s.match(s.add("1"), hooks);
    for (int i = 2; i < 20; ++i) s.put(std::to_string(i), "crm");
    std::size_t asked = 0;
    bool enabled = false;
    const auto room = [&](const std::string& hook) {
        ++asked;
        return std::size_t{enabled || !hook.starts_with("off-")};
    };
    std::size_t least = disabled;  // it may be looked anew, since time has passed
    for (int i = 2; i < 19; ++i) {
        asked = 0;
        BOOST_TEST(s.claim(1, room) == std::to_string(i) + "/crm#1");
        least = std::min(least, asked);
        s.done(std::to_string(i) + "/crm");
    }
    BOOST_TEST(least < 5U);
    // What has become claimable is found at once, and what is enabled soon.
    s.claim(1, room);
    s.put("20", "idle");
    BOOST_TEST(s.claim(1, room) == "20/idle#1");
    enabled = true;
    std::string claimed;
    for (int tries = 0; claimed.empty() && tries < 1000; ++tries) {
        claimed = s.claim(1, room);
        if (!claimed.empty()) break;
        const bx::Millis again = s.store().runs().next_due(s.now).value_or(s.now + 1);
        BOOST_TEST(again <= s.now);  // until it has looked
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    BOOST_TEST(claimed.starts_with("1/off-"));
}

BOOST_AUTO_TEST_CASE(what_is_matched_is_claimed_in_the_same_transaction) {
    Scene s;
    const auto room = [](const std::string& hook) { return std::size_t{hook != "off"}; };
    const auto put = [&](const std::vector<bx::Dispatch>& verdicts, std::size_t slots) {
        std::string names;
        const std::vector<bx::Claim> claims =
            s.store().runs().dispatch_and_claim(verdicts, slots, room, s.now);
        s.store().runs().start(claims);
        for (const bx::Claim& claim : claims) {
            const std::string name = store_tests::key_of(claim.event.number, claim.hook);
            s.claims[name] = claim;
            names += name + "=" + claim.event.body + "," + claim.event.facts.member_id + " ";
        }
        return names;
    };
    bx::Dispatch none{s.add("1"), {}, {}, "none"};
    bx::NewDelivery later = s.delivery("later");
    later.due_at = s.now + 1000;
    bx::Dispatch some{s.add("2"), {s.delivery("crm"), s.delivery("off"), later}, {}, {}};
    BOOST_TEST(put({none, some}, 9) == "2/crm=body of 2,p ");
    BOOST_TEST(s.state(2, "crm") == "running");
    BOOST_TEST(s.state(2, "off") == "waiting");
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(put({{s.add("2"), {s.delivery("crm")}, {}, {}}}, 9) == "");  // of the same lane
    const bx::EventNumber cancelled = s.add("3");
    s.cancel(cancelled);
    BOOST_TEST(put({{cancelled, {s.delivery("crm")}, {}, {}}}, 9) == "");
    s.done("2/crm");
    s.now += 1000;
    // What was due before goes first.
    BOOST_TEST(put({{s.add("5"), {s.delivery("crm")}, {}, {}}}, 2) ==
               "2/later=body of 2,p 3/crm=body of 2,p ");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_SUITE_END()
