#include "host/accounts.h"

#include <boost/test/unit_test.hpp>

#include <algorithm>

BOOST_AUTO_TEST_SUITE(accounts)

BOOST_AUTO_TEST_CASE(finds_users_by_name_and_by_number) {
    std::optional<bx::User> root = bx::find_user("root");
    BOOST_REQUIRE(root.has_value());
    BOOST_TEST(root->uid == 0u);
    BOOST_TEST(root->gid == 0u);
    BOOST_TEST(root->home == "/root");
    BOOST_TEST(bx::find_user(uid_t{0}).value().name == "root");
    BOOST_TEST(bx::find_group("root").value() == 0u);
}

BOOST_AUTO_TEST_CASE(has_none_for_a_stranger) {
    BOOST_TEST(!bx::find_user("no such user"));
    BOOST_TEST(!bx::find_user(""));
    BOOST_TEST(!bx::find_user(uid_t{4242424242}));
    BOOST_TEST(!bx::find_group("no such group"));
    BOOST_TEST(bx::user_name(4242424242) == "uid 4242424242");
}

BOOST_AUTO_TEST_CASE(a_stranger_is_a_number_to_chown) {
    BOOST_TEST(bx::user_argument(0) == "root");
    BOOST_TEST(bx::user_argument(4242424242) == "4242424242");
}

BOOST_AUTO_TEST_CASE(a_group_has_its_name_where_it_has_one) {
    BOOST_TEST(bx::group_argument(0) == "root");
    BOOST_TEST(bx::group_argument(4242424242) == "4242424242");
}

BOOST_AUTO_TEST_CASE(a_users_groups_begin_with_its_own_and_hold_none_twice) {
    std::vector<gid_t> groups = bx::groups_of(bx::find_user("www-data").value());
    BOOST_TEST(groups.front() == bx::find_user("www-data")->gid);
    std::ranges::sort(groups);
    BOOST_TEST((std::ranges::adjacent_find(groups) == groups.end()));
}

BOOST_AUTO_TEST_CASE(a_user_without_a_name_is_in_no_other_group) {
    // Most groups list nobody: that must not read as listing the nameless.
    BOOST_TEST(bx::groups_of({"", 4242, 4343, ""}) == std::vector<gid_t>{4343},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
