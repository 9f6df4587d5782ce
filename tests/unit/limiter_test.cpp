// How fast portals are called, whichever kind of store it is.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

#include "store_scene.h"

using bx::CalledMethod;
using bx::CallRate;
using bx::Limiter;
using bx::Millis;

namespace {

const CallRate rate{2, 5};

class Calls : public store_tests::Scene {
public:
    Limiter& limiter() { return store().limiter(); }
    Limiter::Turn take(const std::string& portal = "acme", Millis at_most = 0,
                       const std::string& method = "crm.deal.get") {
        return limiter().take({portal, "local.1", method}, rate, at_most);
    }
    // As after a restart of the machine, or where the server's clock was set back.
    void set_clock_back() {
        if (store_tests::PostgresServer::wanted()) {
            store_tests::PostgresServer::instance().query(
                "UPDATE bxhook.limiter SET at = at + 10000000000");
            return;
        }
        bx::sqlite::Database database(place(), {});
        database.run("UPDATE limiter SET at = at + 10000000000");
    }
    // Takes all that go at once.
    void fill(const std::string& portal = "acme") {
        while (take(portal).taken) {
        }
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(limiter)

BOOST_AUTO_TEST_CASE(a_bucket_of_a_clock_that_was_ahead_empties_all_the_same) {
    Calls s;
    s.fill();
    s.set_clock_back();
    BOOST_TEST(!s.take().taken);
    const Millis begun = bx::steady_now();
    while (!s.take().taken && bx::steady_now() - begun < 10 * bx::second) std::this_thread::yield();
    BOOST_TEST(bx::steady_now() - begun < 5 * bx::second);
}

BOOST_AUTO_TEST_CASE(a_burst_goes_at_once_and_the_next_waits) {
    Calls s;
    const Millis begun = bx::steady_now();
    for (int call = 0; call < rate.burst; ++call) {
        const Limiter::Turn turn = s.take();
        BOOST_TEST(turn.taken);
        BOOST_TEST(turn.wait == 0);
    }
    const Limiter::Turn next = s.take();
    const Millis passed = bx::steady_now() - begun;
    BOOST_TEST((!next.taken || passed >= 500));
    BOOST_TEST(next.wait <= 500);
    BOOST_TEST(next.wait >= 500 - passed - 1);
    BOOST_TEST(s.take("other").taken);
}

BOOST_AUTO_TEST_CASE(who_waits_has_a_place_and_the_next_comes_after_it) {
    Calls s;
    const Millis begun = bx::steady_now();
    s.fill();
    const Millis first = s.take("acme", bx::minute).wait;
    const Millis second = s.take("acme", bx::minute).wait;
    const Millis passed = bx::steady_now() - begun;
    BOOST_TEST(second >= first + 500 - passed - 1);
    BOOST_TEST(second <= first + 500);
    const Limiter::Turn late = s.take("acme", 900);
    BOOST_TEST(!late.taken);
    BOOST_TEST(late.wait > 900);
    // One that is not taken has no place.
    BOOST_TEST(s.take("acme", bx::minute).wait <= late.wait);
}

BOOST_AUTO_TEST_CASE(who_wants_half_of_the_burst_leaves_the_other_half) {
    Calls s;
    const CallRate half{rate.rate, 2};
    const CalledMethod what{"acme", "local.1", "crm.deal.list"};
    BOOST_TEST(s.limiter().take(what, half, 0).taken);
    BOOST_TEST(s.limiter().take(what, half, 0).taken);
    BOOST_TEST(!s.limiter().take(what, half, 0).taken);
    for (int call = 0; call < 3; ++call) BOOST_TEST(s.take().taken);
}

BOOST_AUTO_TEST_CASE(a_portal_that_takes_no_more_is_full) {
    Calls s;
    BOOST_TEST(s.take().taken);
    s.limiter().fill("acme", rate);
    const Limiter::Turn turn = s.take();
    BOOST_TEST(!turn.taken);
    BOOST_TEST(turn.wait <= 500);
    BOOST_TEST(turn.wait > 0);
    // It does not make one that has more emptier.
    s.take("acme", bx::minute);
    s.take("acme", bx::minute);
    s.limiter().fill("acme", rate);
    BOOST_TEST(s.take().wait > 500);
}

BOOST_AUTO_TEST_CASE(a_method_without_operating_time_is_blocked_for_that_right_alone) {
    Calls s;
    const CalledMethod what{"acme", "local.1", "crm.deal.get"};
    s.limiter().note_operating(what, bx::minute);
    BOOST_TEST(s.take().taken);  // much was used, and some is left
    const Millis lasting = s.limiter().block(what, 10 * bx::second);
    BOOST_TEST(lasting > bx::minute - 5 * bx::second);
    BOOST_TEST(lasting <= bx::minute);
    const Limiter::Turn turn = s.take("acme", bx::hour);
    BOOST_TEST(!turn.taken);
    BOOST_TEST(turn.wait > bx::minute - 5 * bx::second);
    BOOST_TEST(turn.wait <= bx::minute);
    BOOST_TEST(s.take("acme", 0, "crm.deal.list").taken);
    BOOST_TEST(s.limiter().take({"acme", "webhook", "crm.deal.get"}, rate, 0).taken);
    BOOST_TEST(s.take("other").taken);
    // Another answer does not open it.
    s.limiter().note_operating(what, bx::minute);
    BOOST_TEST(!s.take().taken);
}

BOOST_AUTO_TEST_CASE(without_a_time_that_was_noted_it_is_blocked_for_a_while) {
    Calls s;
    const CalledMethod what{"acme", "local.1", "crm.deal.get"};
    BOOST_TEST(s.limiter().block(what, 200) == 200);
    BOOST_TEST(!s.take().taken);
    const Millis end = bx::steady_now() + 10 * bx::second;
    while (!s.take().taken) BOOST_REQUIRE(bx::steady_now() < end);
    // What was noted and has passed is not of now.
    s.limiter().note_operating(what, 0);
    BOOST_TEST(s.limiter().block(what, 300) == 300);
}

BOOST_AUTO_TEST_CASE(what_would_last_longer_than_any_is_cut) {
    Calls s;
    const CalledMethod what{"acme", "local.1", "crm.deal.get"};
    s.limiter().note_operating(what, 5 * bx::hour);
    BOOST_TEST(s.limiter().block(what, bx::second) <= bx::longest_block);
    BOOST_TEST(!s.take().taken);
}

// Each with a connection of its own, as processes have.
BOOST_AUTO_TEST_CASE(fifty_at_once_get_no_more_than_burst_and_rate) {
    Calls s;
    s.take("one that makes the store");
    const Millis begun = bx::steady_now();
    std::vector<std::thread> all;
    std::atomic<int> taken{0};
    for (int caller = 0; caller < 50; ++caller) {
        all.emplace_back([&s, &taken] {
            const auto store = s.another();
            for (int call = 0; call < 3; ++call) {
                if (store->limiter().take({"acme", "local.1", "m"}, rate, 0).taken) ++taken;
            }
        });
    }
    for (std::thread& one : all) one.join();
    const Millis passed = bx::steady_now() - begun;
    BOOST_TEST(taken >= rate.burst);
    BOOST_TEST(taken <= rate.burst + (passed + 1) * rate.rate / bx::second);
}

BOOST_AUTO_TEST_SUITE_END()
