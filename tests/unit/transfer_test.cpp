// Installations that a person brings, and takes along; whichever kind of store it is.
#include <boost/test/unit_test.hpp>

#include "base/sha256.h"
#include "store_scene.h"

using bx::Brought;
using bx::BroughtInstallation;
using bx::Installation;
using bx::InstallationId;
using store_tests::Scene;

namespace {

const BroughtInstallation one{"m1", "local.1", "refresh-1", bx::sha256("t1")};

Brought bring(Scene& s, const BroughtInstallation& portal = one) {
    return s.store().transfer().bring(portal, s.now);
}

std::string state(Scene& s, const std::string& member) {
    std::string text;
    for (const Installation& shown : s.store().installations().list(member)) {
        text += std::string(name_of(shown.state)) + ' ' + shown.client_id + ' ';
    }
    return text;
}

bx::TokenRole role(Scene& s, const std::string& member, const std::string& token) {
    const auto known = s.store().sink().look_up(std::vector{member}, {});
    return bx::prove(member, bx::sha256(token), known).role;
}

// As a renewal does that the server has answered.
void prove(Scene& s, InstallationId id, const std::string& refresh) {
    bx::Installations& installations = s.store().installations();
    BOOST_TEST(installations.take_lease(id, "me", bx::minute).has_value());
    bx::Renewal renewal;
    renewal.tokens = {"access", refresh, s.now + bx::hour};
    renewal.domain = "real.example";
    renewal.user_id = "5";
    BOOST_TEST(installations.end_lease(id, "me", renewal, s.now));
}

std::string refresh_token(Scene& s, InstallationId id) {
    const auto lease = s.store().installations().take_lease(id, "test", bx::minute);
    if (!lease) return "no lease";
    s.store().installations().end_lease(id, "test", {}, s.now);
    return lease->tokens.refresh;
}

std::string taken_along(Scene& s) {
    std::string text;
    for (const BroughtInstallation& portal : s.store().transfer().all()) {
        text += portal.member_id + ' ' + portal.client_id + ' ' + portal.refresh_token +
                (portal.application_token.empty() ? "" : " token") + '\n';
    }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transfer)

BOOST_AUTO_TEST_CASE(what_is_brought_is_broken_until_a_renewal_has_proven_it) {
    Scene s;
    const Brought brought = bring(s);
    BOOST_TEST((brought.result == Brought::Result::made));
    BOOST_TEST(state(s, "m1") == "broken local.1 ");
    BOOST_TEST(s.store().installations().list("m1").front().problem == bx::unproven_problem);
    BOOST_TEST((role(s, "m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST(refresh_token(s, brought.id) == "refresh-1");
    prove(s, brought.id, "refresh-2");
    BOOST_TEST(state(s, "m1") == "active local.1 ");
    BOOST_TEST(s.store().installations().list("real.example").size() == 1U);
    BOOST_TEST(s.store().installations().list("m1").front().user_id == "5");
    BOOST_TEST(s.store().chores().take_due(bx::Chore::bind, s.now, s.now + 1, 9).size() == 1U);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_brought_while_it_is_being_bound_is_bound_once_more_after_that) {
    Scene s;
    s.now = bx::wall_now();
    bring(s);
    const auto take = [&] {
        return s.store().chores().take_due(bx::Chore::bind, s.now, s.now + bx::hour, 9);
    };
    const bx::DueChore first = take().at(0);
    bring(s);
    BOOST_TEST(take().empty());
    BOOST_TEST(!s.store().chores().finish(first));
    BOOST_TEST(s.store().chores().finish(take().at(0)));
}

BOOST_AUTO_TEST_CASE(an_active_one_keeps_the_tokens_it_has) {
    Scene s;
    const Brought brought = bring(s);
    prove(s, brought.id, "refresh-2");
    const Brought again = bring(s);
    BOOST_TEST((again.result == Brought::Result::there));
    BOOST_TEST(again.id == brought.id);
    BOOST_TEST(refresh_token(s, brought.id) == "refresh-2");
    BOOST_TEST(state(s, "m1") == "active local.1 ");
}

BOOST_AUTO_TEST_CASE(a_broken_one_takes_the_tokens_and_both_application_tokens_are_right) {
    Scene s;
    const Brought brought = bring(s);
    prove(s, brought.id, "refresh-2");
    store_tests::break_down(s.store(), brought.id, s.now);
    const Brought again = bring(s, {"m1", "local.1", "refresh-3", bx::sha256("t2")});
    BOOST_TEST((again.result == Brought::Result::mended));
    BOOST_TEST(again.id == brought.id);
    BOOST_TEST(refresh_token(s, brought.id) == "refresh-3");
    BOOST_TEST(s.store().installations().list("m1").front().problem == "invalid_grant");
    BOOST_TEST((role(s, "m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST((role(s, "m1", "t2") == bx::TokenRole::verified));
    // Without one the old stays.
    bring(s, {"m1", "local.1", "refresh-4", ""});
    BOOST_TEST((role(s, "m1", "t2") == bx::TokenRole::verified));
}

BOOST_AUTO_TEST_CASE(what_a_renewal_brings_does_not_replace_what_was_brought_meanwhile) {
    Scene s;
    const Brought brought = bring(s);
    bx::Installations& installations = s.store().installations();
    const bx::Renewal renewal{{"access", "refresh-2", s.now + bx::hour}, "", "", "", "5"};
    BOOST_TEST(installations.take_lease(brought.id, "me", bx::minute).has_value());
    bring(s, {"m1", "local.1", "refresh-3", bx::sha256("t1")});
    BOOST_TEST(!installations.end_lease(brought.id, "me", renewal, s.now));
    BOOST_TEST(state(s, "m1") == "broken local.1 ");
    BOOST_TEST(refresh_token(s, brought.id) == "refresh-3");
}

BOOST_AUTO_TEST_CASE(another_application_and_one_that_is_gone_are_others) {
    Scene s;
    const Brought brought = bring(s);
    prove(s, brought.id, "refresh-2");
    const Brought second = bring(s, {"m1", "local.2", "refresh-5", bx::sha256("t2")});
    BOOST_TEST((second.result == Brought::Result::made));
    BOOST_TEST(s.store().installations().uninstalled(brought.id, "", s.now));
    const Brought anew = bring(s);
    BOOST_TEST((anew.result == Brought::Result::made));
    BOOST_TEST(anew.id != brought.id);
    BOOST_TEST(s.store().installations().counts().broken == 2);
    BOOST_TEST(s.store().installations().counts().gone == 1);
}

BOOST_AUTO_TEST_CASE(without_application_token_its_posts_are_held_until_one_is_proven) {
    Scene s;
    const Brought brought = bring(s, {"m1", "local.1", "refresh-1", ""});
    BOOST_TEST((role(s, "m1", "t1") == bx::TokenRole::of_tokenless));
    const auto adopted =
        s.store().installations().adopt_token(brought.id, bx::sha256("t1"));
    BOOST_TEST((adopted.result == bx::Activation::Result::done));
    BOOST_TEST((role(s, "m1", "t1") == bx::TokenRole::verified));
}

BOOST_AUTO_TEST_CASE(what_has_a_refresh_token_can_be_taken_along) {
    Scene s;
    const Brought brought = bring(s, {"m2", "local.1", "refresh-2", bx::sha256("t2")});
    bring(s, {"m1", "local.2", "refresh-1", ""});
    bring(s);
    BOOST_TEST(taken_along(s) == "m1 local.1 refresh-1 token\nm1 local.2 refresh-1\n"
                                 "m2 local.1 refresh-2 token\n");
    s.store().installations().uninstalled(brought.id, "", s.now);
    BOOST_TEST(taken_along(s) == "m1 local.1 refresh-1 token\nm1 local.2 refresh-1\n");
}

BOOST_AUTO_TEST_SUITE_END()
