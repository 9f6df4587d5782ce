// Held claims: what a worker has claimed for the slots that become free next.
#include <boost/test/unit_test.hpp>

#include "store_scene.h"

using bx::MayStart;
using store_tests::Scene;

namespace {

struct Held : Scene {
    // Claims for SLOTS, which start, and to hold: "1/crm (2/crm)".
    std::string hold(std::size_t slots, std::size_t to_hold, std::size_t room = 1000) {
        const auto capacity = [=](const std::string&) { return room; };
        std::vector<std::string> names;
        for (bx::Claim& claim : store().runs().claim({slots, to_hold}, capacity, now)) {
            const std::string name = store_tests::key_of(claim.event.number, claim.hook);
            names.push_back(claim.held ? "(" + name + ")" : name);
            if (!claim.held) start(claim);
            claims[name] = std::move(claim);
        }
        return store_tests::joined(names);
    }
    MayStart start_held(const std::string& name) {
        bx::Claim& claim = claims.at(name);
        claim.started_at = now;
        return start(claim);
    }
    void write_starts() {
        const auto none = [](const std::string&) { return std::size_t{0}; };
        store().runs().finish_and_claim({}, 0, none, now);
    }
    std::vector<bx::AttemptRecord> attempts(bx::EventNumber event) {
        return store().view().attempts(event, "crm");
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(store_held)

BOOST_AUTO_TEST_CASE(what_is_held_waits_for_people) {
    Held s;
    for (const char* id : {"1", "2", "3", "4"}) s.put(id);
    BOOST_TEST(s.hold(1, 2) == "1/crm (2/crm) (3/crm)");
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST(s.state(2) == "waiting");
    BOOST_TEST(s.record(2).attempt == 0);
    BOOST_TEST(s.record(2).due_at.has_value());
    BOOST_TEST(!s.record(2).blocked_by.has_value());
    BOOST_TEST(s.attempts(2).empty());
    BOOST_TEST(s.list({.states = {bx::RowState::waiting}}) == "4/crm 3/crm 2/crm");
    BOOST_TEST(s.list({.states = {bx::RowState::running}}) == "1/crm");
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.running == 1);
    BOOST_TEST(status.waiting == 3);
    BOOST_TEST(status.due == 3);
    BOOST_TEST(status.hooks.front().waiting == 3);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(its_start_is_recorded_with_the_next_transaction) {
    Held s;
    for (const char* id : {"1", "2"}) s.put(id);
    BOOST_TEST(s.hold(0, 2) == "(1/crm) (2/crm)");
    s.now += 100;
    BOOST_TEST((s.start_held("1/crm") == MayStart::yes));
    s.write_starts();
    BOOST_TEST(s.state(1) == "running");
    BOOST_REQUIRE(s.attempts(1).size() == 1U);
    BOOST_TEST(s.attempts(1).front().started_at == s.now);
    BOOST_TEST(s.state(2) == "waiting");
    s.now += 5;
    BOOST_TEST((s.start_held("2/crm") == MayStart::yes));
    bx::Finish run = s.ending("2/crm", bx::AttemptResult::done, bx::DeliveryState::done);
    run.started_at = s.now;
    s.finish(run);
    s.done("1/crm");
    BOOST_TEST(s.state(2) == "done");
    BOOST_TEST(s.attempts(2).front().started_at == s.now);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_cancel_wins_until_it_starts) {
    Held s;
    for (const char* id : {"1", "2", "3"}) s.put(id);
    BOOST_TEST(s.hold(0, 3) == "(1/crm) (2/crm) (3/crm)");
    const auto other = s.another();
    BOOST_TEST(other->operate().cancel({2, "crm"}, false, s.now).done());
    BOOST_TEST(s.state(2) == "cancelled");
    BOOST_TEST((s.start_held("2/crm") == MayStart::no));
    // The others wait for everybody again.
    BOOST_TEST((s.start_held("1/crm") == MayStart::no));
    BOOST_TEST(s.hold(0, 3) == "(1/crm) (3/crm)");
    BOOST_TEST((s.start_held("3/crm") == MayStart::yes));
    // It runs, though the store does not know it yet.
    const bx::Outcome refused = other->operate().cancel({3, "crm"}, false, s.now);
    BOOST_TEST(!refused.done());
    BOOST_TEST(text_of(refused) == "3/crm is running (--kill ends it)");
    BOOST_TEST(other->operate().cancel({3, "crm"}, true, s.now).done());
    const std::vector<bx::DeliveryName> kills = s.store().runs().kill_requests();
    BOOST_REQUIRE(kills.size() == 1U);
    BOOST_TEST(to_string(kills.front()) == "3/crm");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_retried_before_it_in_its_lane_goes_first) {
    Held s;
    s.put("7");
    s.put("7");
    BOOST_TEST(s.claim(1) == "1/crm#1");
    s.dead("1/crm");
    BOOST_TEST(s.hold(0, 1) == "(2/crm)");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.record(2).blocked_by.value_or(0) == 1);
    BOOST_TEST((s.start_held("2/crm") == MayStart::no));
    BOOST_TEST(s.claim(9) == "1/crm#2");
    BOOST_TEST(s.recount() == "");
}

// On PostgreSQL one of the two waits for the other's lock.
BOOST_AUTO_TEST_CASE(nothing_starts_while_a_request_is_under_way) {
    if (store_tests::PostgresServer::wanted()) return;
    Held s;
    s.put("1");
    BOOST_TEST(s.hold(0, 1) == "(1/crm)");
    {
        bx::SlotFile file(s.place());
        const bx::SlotFile::Request request(file, bx::second);
        BOOST_TEST((s.start_held("1/crm") == MayStart::later));
    }
    BOOST_TEST((s.start_held("1/crm") == MayStart::yes));
}

BOOST_AUTO_TEST_CASE(a_refused_request_takes_nothing_back) {
    Held s;
    s.put("1");
    BOOST_TEST(s.hold(0, 1) == "(1/crm)");
    BOOST_TEST(!s.retry(7).done());
    BOOST_TEST((s.start_held("1/crm") == MayStart::yes));
}

BOOST_AUTO_TEST_CASE(what_is_released_waits_as_if_it_had_never_been_claimed) {
    Held s;
    for (const char* id : {"1", "2", "2"}) s.put(id);
    BOOST_TEST(s.hold(0, 3) == "(1/crm) (2/crm)");
    BOOST_TEST((s.start_held("1/crm") == MayStart::yes));
    s.store().runs().release(std::vector<bx::DeliveryName>{{1, "crm"}, {2, "crm"}, {9, "crm"}}, s.now);
    BOOST_TEST((s.start_held("2/crm") == MayStart::no));
    s.write_starts();
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.recount() == "");
}

// On PostgreSQL those of dead workers wait again without being asked for.
BOOST_AUTO_TEST_CASE(the_next_worker_finds_what_was_held) {
    if (store_tests::PostgresServer::wanted()) return;
    Held s;
    for (const char* id : {"1", "2"}) s.put(id);
    BOOST_TEST(s.hold(1, 1) == "1/crm (2/crm)");
    s.open_as_worker();
    const std::vector<bx::Orphan> orphans = s.store().runs().orphans({});
    BOOST_REQUIRE(orphans.size() == 2U);
    BOOST_TEST(!orphans[0].held);
    BOOST_TEST(orphans[1].held);
    s.store().runs().release(std::vector<bx::DeliveryName>{{2, "crm"}}, s.now);
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_held_counts_for_its_hooks_concurrency) {
    Held s;
    for (const char* id : {"1", "2", "3", "4"}) s.put(id);
    BOOST_TEST(s.hold(1, 8, 3) == "1/crm (2/crm) (3/crm)");
    BOOST_TEST(s.hold(1, 8, 3) == "");
    s.done("1/crm");
    BOOST_TEST(s.hold(1, 8, 3) == "4/crm");
}

BOOST_AUTO_TEST_CASE(held_claims_go_round_hooks_and_portals_as_others) {
    Held s;
    s.put("1", "a", "p");
    s.put("2", "a", "p");
    s.put("3", "a", "q");
    s.put("4", "b", "p");
    BOOST_TEST(s.hold(1, 3) == "1/a (4/b) (3/a) (2/a)");
}

BOOST_AUTO_TEST_SUITE_END()
