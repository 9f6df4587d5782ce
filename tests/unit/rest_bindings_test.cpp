// Subscriptions, as they are asked for and answered.
#include <boost/test/unit_test.hpp>

#include "rest/bindings.h"

using bx::Binding;
using bx::JsonText;

namespace {

std::string read(const std::string& json) {
    const auto read = bx::bindings_in(*JsonText::parse(json));
    if (!read) return "none";
    std::string text;
    for (const Binding& one : *read) {
        text += one.event + (one.offline ? "~" : "") + "@" + one.handler + "/" + one.user + " ";
    }
    return text;
}

bx::RestAnswer refused(const std::string& text) {
    bx::RestAnswer answer;
    answer.cause = bx::RestCause::refused;
    answer.text = text;
    return answer;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_bindings)

BOOST_AUTO_TEST_CASE(a_list_is_read_whatever_the_types_in_it) {
    BOOST_TEST(read(R"([{"event":"onCrmDealAdd","handler":"https://a/","auth_type":"0","offline":0}])") ==
               "ONCRMDEALADD@https://a//0 ");
    BOOST_TEST(read(R"([{"event":"X","handler":"h","auth_type":7,"offline":"0"}])") == "X@h/7 ");
    BOOST_TEST(read(R"([{"event":"X","connector_id":"","offline":1},{"event":"Y","offline":"1"}])") ==
               "X~@/ Y~@/ ");
    BOOST_TEST(read(R"([{"event":"X","handler":null,"auth_type":null}])") == "X@/ ");
    BOOST_TEST(read("[]") == "");
    BOOST_TEST(read("{}") == "none");
    BOOST_TEST(read("[1]") == "none");
}

BOOST_AUTO_TEST_CASE(already_bound_is_success_and_one_under_way_is_told) {
    bx::RestAnswer already = refused("ERROR_CORE: Handler already binded");
    bx::accept_if_so_already(already);
    BOOST_TEST(already.succeeded());
    bx::RestAnswer other = refused("ERROR_CORE: something else");
    bx::accept_if_so_already(other);
    BOOST_TEST(!other.succeeded());
    BOOST_TEST(!bx::is_being_bound(other));
    BOOST_TEST(bx::is_being_bound(refused("Process Already Started")));
    BOOST_TEST(!bx::is_being_bound(bx::RestAnswer{}));
}

BOOST_AUTO_TEST_CASE(whose_token_comes_is_sent_as_a_number) {
    BOOST_TEST(bx::unbind_call("X", "https://a/?b=c").body == "event=X&handler=https%3A%2F%2Fa%2F%3Fb%3Dc");
    const bx::MethodCall causers = bx::unbind_call("X", "https://a/", bx::TokenOf::causer);
    BOOST_TEST(causers.json);
    BOOST_TEST(causers.body == R"({"event":"X","handler":"https://a/","auth_type":0})");
}

BOOST_AUTO_TEST_CASE(what_changes_nothing_or_is_done_once_may_be_sent_again) {
    BOOST_TEST(bx::bind_call("X", "https://a/").idempotent);
    BOOST_TEST(bx::unbind_call("X", "https://a/").idempotent);
    BOOST_TEST(bx::events_call().idempotent);
    BOOST_TEST(bx::reads_only(bx::bindings_call().method));
    BOOST_TEST(!bx::test_call("n").idempotent);
}

BOOST_AUTO_TEST_SUITE_END()
