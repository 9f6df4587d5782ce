// The keys of post blocks, and where a request brings one.
#include "event/post_keys.h"

#include <boost/test/unit_test.hpp>

#include "gateway/post_key.h"

using State = bx::PostKey::State;

namespace {

bx::PostKey given(const std::string& query, const std::string& variable = "") {
    bx::Request request;
    request.query = query;
    request.post_key = variable;
    return bx::post_key_of(request);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(post_keys)

BOOST_AUTO_TEST_CASE(a_key_is_its_blocks_alone) {
    const bx::PostKeys keys({{"a", "key-of-the-first-0", "a.example"},
                             {"b", "key-of-the-second-", "b.example"}});
    BOOST_TEST(keys.find("key-of-the-first-0")->name == "a");
    BOOST_TEST(keys.find("key-of-the-second-")->portal == "b.example");
    for (const char* wrong : {"", "key-of-the-first-", "key-of-the-first-00", "KEY-OF-THE-FIRST-0"}) {
        BOOST_TEST(keys.find(wrong) == nullptr, wrong);
    }
    BOOST_TEST(bx::PostKeys({}).find("") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_key_comes_once_in_the_query_or_from_the_web_server) {
    BOOST_TEST((given("").state == State::none));
    BOOST_TEST((given("a=1&Key=x").state == State::none));
    BOOST_TEST(given("a=1&key=abc&b=2").text == "abc");
    BOOST_TEST(given("k%65y=a%62c").text == "abc");
    BOOST_TEST(given("", "abc").text == "abc");
    BOOST_TEST((given("key=abc&key=abc").state == State::repeated));
    BOOST_TEST((given("key=abc", "abc").state == State::repeated));
    BOOST_TEST((given("key[]=abc").state == State::one));
    BOOST_TEST(given("key[]=abc").text == "");
    BOOST_TEST(given(std::string(200, '&') + "key=abc").text == "");
}

BOOST_AUTO_TEST_SUITE_END()
