#include "event/event.h"

#include <boost/test/unit_test.hpp>

#include "form/form.h"

namespace {

bx::EventFacts read(const std::string& body) {
    return bx::read_event(bx::decode_urlencoded(body, {}));
}

std::string refusal(const std::string& body) {
    try {
        read(body);
        return {};
    } catch (const bx::BadEvent& error) {
        return error.what();
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(event)

BOOST_AUTO_TEST_CASE(reads_what_an_event_says_of_itself) {
    bx::EventFacts facts = read(
        "event=onCrmDealMoveToCategory&event_handler_id=655&data%5BFIELDS%5D%5BID%5D=6675"
        "&data%5BFIELDS%5D%5BCATEGORY_ID%5D=1&ts=1736424182&auth%5Bdomain%5D=Some.bitrix24.com"
        "&auth%5Bmember_id%5D=m1&auth%5Buser_id%5D=17");
    BOOST_TEST(facts.code == "ONCRMDEALMOVETOCATEGORY");
    BOOST_TEST(facts.kind == "ONCRMDEAL");
    BOOST_TEST(facts.id == "6675");
    BOOST_TEST(facts.domain == "Some.bitrix24.com");
    BOOST_TEST(facts.member_id == "m1");
    BOOST_TEST(facts.user_id == "17");
    BOOST_TEST(facts.handler_id == "655");
    BOOST_TEST(facts.ts == "1736424182");
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_empty) {
    bx::EventFacts facts = read("event=ONAPPTEST");
    BOOST_TEST(facts.id == "");
    BOOST_TEST(facts.member_id == "");
    BOOST_TEST(facts.handler_id == "");
    BOOST_TEST(read("event=X&auth=1&data=107&ts[]=1").ts == "");
}

BOOST_AUTO_TEST_CASE(refuses_a_code_that_is_none) {
    BOOST_TEST(refusal("x=1") == "'event' is missing");
    BOOST_TEST(refusal("") == "'event' is missing: the body has no fields");
    for (const char* json : {"{\"event\":\"X\"}", " \n{\"event\":\"X=\"}"}) {
        BOOST_TEST(refusal(json).find("the body is JSON") != std::string::npos, json);
    }
    BOOST_TEST(refusal("--XX\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nX\r\n--XX--")
                   .find("is multipart/form-data") != std::string::npos);
    BOOST_TEST(refusal("\x1F\x8B\x08x").find("compressed (gzip)") != std::string::npos);
    BOOST_TEST(refusal("event=") == "'event' is empty");
    BOOST_TEST(refusal("event[]=X") == "'event' is an array");
    BOOST_TEST(refusal("event=" + std::string(256, 'A')) == "'event' is longer than 255 bytes");
    BOOST_TEST(refusal("event=" + std::string(255, 'A')) == "");
    for (const char* bad : {"A+B", "A%2FB", "..%2F", "A%00", "%D0%90", "A%0A", "A;B"}) {
        BOOST_TEST(refusal("event=" + std::string(bad)) ==
                       "'event' has a byte other than letters, digits, '.', '_' and '-'",
                   bad);
    }
    BOOST_TEST(refusal("event=CATALOG.PRICE.ON.ADD") == "");
    BOOST_TEST(refusal("event=a-b_1") == "");
}

BOOST_AUTO_TEST_CASE(refuses_an_array_where_a_portal_is_named) {
    BOOST_TEST(refusal("event=X&auth[member_id][]=1") == "'auth[member_id]' is an array");
    BOOST_TEST(refusal("event=X&auth[domain][a]=1") == "'auth[domain]' is an array");
}

BOOST_AUTO_TEST_CASE(a_portals_name_is_short_and_of_few_bytes) {
    for (const std::string name : {"auth[member_id]", "auth[domain]"}) {
        auto refused = [&](const std::string& value) {
            return refusal("event=X&" + name + "=" + value);
        };
        BOOST_TEST(refused("") == "");
        BOOST_TEST(refused("a-b_c.D9:8443") == "");
        BOOST_TEST(refused(std::string(255, 'a')) == "");
        BOOST_TEST(refused(std::string(256, 'a')) == "'" + name + "' is longer than 255 bytes");
        for (const char* bad : {"a+b", "a%00", "a%0D%0AX:", "%1B[2J", "%C2%9B", "%D0%90", "a/b", "a'",
                                "$(id)", "*", "a%7Fb", "a@b", "[::1]"}) {
            BOOST_TEST(refused(bad) == "'" + name + "' has a byte other than letters, digits, '.', "
                                                    "'_', ':' and '-'",
                       bad);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_portal_of_a_lane_is_the_member_id_or_the_domain) {
    bx::EventFacts facts;
    facts.domain = "Some.Bitrix24.com";
    BOOST_TEST(facts.lane_portal() == "some.bitrix24.com");
    facts.member_id = "M1";
    BOOST_TEST(facts.lane_portal() == "M1");
}

BOOST_AUTO_TEST_SUITE_END()
