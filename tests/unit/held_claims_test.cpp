// How many claims a worker holds, and in which order they start.
#include <boost/test/unit_test.hpp>

#include "worker/held_claims.h"

using bx::HeldClaims;

namespace {

bx::Claim claim(bx::EventNumber event, const std::string& hook = "crm") {
    bx::Claim made;
    made.event.number = event;
    made.hook = hook;
    made.held = true;
    return made;
}

std::string taken(HeldClaims& held, std::size_t count, bx::Millis now) {
    std::string text;
    for (const bx::Claim& one : held.take(count, now)) {
        text += std::to_string(one.event.number) + one.hook + ' ';
    }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(held_claims)

BOOST_AUTO_TEST_CASE(as_many_are_wanted_as_ended_a_moment_before) {
    HeldClaims held;
    BOOST_TEST(held.wanted(1000) == 0U);
    for (bx::Millis at : {900, 981, 990}) held.note_end(at);
    BOOST_TEST(held.wanted(1000) == 2U);
    BOOST_TEST(held.wanted(1001) == 1U);
    for (int i = 0; i < 20; ++i) held.note_end(1000);
    BOOST_TEST(held.wanted(1000) == HeldClaims::most);
    held.add(claim(1), 1000);
    BOOST_TEST(held.wanted(1000) == HeldClaims::most - 1);
}

BOOST_AUTO_TEST_CASE(of_large_events_fewer_are_wanted) {
    HeldClaims held;
    for (int i = 0; i < 20; ++i) held.note_end(1000);
    held.note_event(std::size_t{300} << 10);
    BOOST_TEST(held.wanted(1000) == 3U);
    held.note_event(std::size_t{2} << 20);
    BOOST_TEST(held.wanted(1000) == 0U);
    for (int i = 0; i < 40; ++i) held.note_event(100);
    BOOST_TEST(held.wanted(1000) == HeldClaims::most);
}

BOOST_AUTO_TEST_CASE(they_start_in_order_and_each_delivery_once) {
    HeldClaims held;
    held.add(claim(1), 1000);
    held.add(claim(2), 1000);
    held.add(claim(3, "a"), 1000);
    held.add_first(claim(9, "idle"), 1000);
    held.add(claim(1), 1000);  // claimed anew: a request had taken it back
    held.drop({2, "crm"});
    BOOST_TEST(held.has_hook("a"));
    BOOST_TEST(!held.has_hook("b"));
    BOOST_TEST(held.names().size() == 3U);
    BOOST_TEST(taken(held, 2, 1010) == "9idle 3a ");
    BOOST_TEST(taken(held, 2, 1010) == "1crm ");
    BOOST_TEST(held.empty());
}

BOOST_AUTO_TEST_CASE(they_are_too_old_when_no_slot_was_free_for_them) {
    HeldClaims held;
    BOOST_TEST(held.too_old_at() == bx::Timer::never);
    held.add(claim(1), 1000);
    held.add(claim(2), 1040);
    BOOST_TEST(held.too_old_at() == 1050);
    taken(held, 1, 1045);
    BOOST_TEST(held.too_old_at() == 1095);
}

BOOST_AUTO_TEST_SUITE_END()
