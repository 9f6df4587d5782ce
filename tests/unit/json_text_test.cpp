#include "base/json_text.h"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

using bx::JsonText;
using namespace std::literals;

BOOST_AUTO_TEST_SUITE(json_text)

BOOST_AUTO_TEST_CASE(a_value_stays_the_text_it_was) {
    const std::string text =
        " {\"b\" : 1.10 , \"a\":[ 12345678901234567890, -0 ,{\"x\":null}],\"\\u0063\":\"\\/\"} \n";
    const std::optional<JsonText> json = JsonText::parse(text);
    BOOST_REQUIRE(json.has_value());
    BOOST_TEST(json->text().size() == text.size() - 3);
    BOOST_TEST(json->find("b")->text() == "1.10");
    const std::vector<JsonText> items = json->find("a")->items();
    BOOST_REQUIRE(items.size() == 3U);
    BOOST_TEST(items.at(0).text() == "12345678901234567890");
    BOOST_TEST(items.at(1).text() == "-0");
    BOOST_TEST(items.at(2).find("x")->is_null());
    BOOST_TEST(json->find("c")->string() == "/");
    BOOST_TEST(!json->find("d").has_value());
    std::string order;
    for (const auto& [key, value] : json->members()) order += key;
    BOOST_TEST(order == "bac");
}

BOOST_AUTO_TEST_CASE(what_has_no_members_or_items_has_none) {
    for (const char* text : {"{}", "[]", "[ ]", "{ }", "1", "\"{\"", "null", "true"}) {
        const std::optional<JsonText> json = JsonText::parse(text);
        BOOST_REQUIRE_MESSAGE(json.has_value(), text);
        BOOST_TEST(json->members().empty(), text);
        BOOST_TEST(json->items().empty(), text);
        BOOST_TEST(!json->find("").has_value(), text);
    }
}

BOOST_AUTO_TEST_CASE(the_last_of_a_repeated_member_counts) {
    BOOST_TEST(JsonText::parse(R"({"a":1,"a":2})")->find("a")->text() == "2");
}

BOOST_AUTO_TEST_CASE(a_string_means_what_its_escapes_say) {
    const auto meant = [](const std::string& text) { return JsonText::parse(text)->string(); };
    BOOST_TEST(meant(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
    BOOST_TEST(meant(R"("\u0041\u00e9\u20AC\ud83d\ude00")") == "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    BOOST_TEST(meant(R"("\u0000")") == "\0"s);
    for (const char* half : {R"("\ud83dx")", R"("\ude00x")"}) {
        BOOST_TEST(meant(half) == "\xEF\xBF\xBDx", half);
    }
    BOOST_TEST(meant(R"("\ud83d\u0041")") == "\xEF\xBF\xBD" "A");
    BOOST_TEST(meant("12") == "12");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_is_refused) {
    for (const std::string& text :
         {""s, " "s, "{"s, "[1"s, "[1,]"s, "[,1]"s, "{\"a\"}"s, "{\"a\":}"s, "{\"a\":1,}"s, "{a:1}"s,
          "[1}"s, "1 2"s, "01"s, "1."s, ".5"s, "+1"s, "-"s, "1e"s, "nul"s, "nulll"s, "TRUE"s,
          "\"a"s, "\"\\x\""s, "\"\\u12\""s, "\"\n\""s, "\"\xFF\""s, "'a'"s, "<html>"s, "[1]\0"s,
          "\xEF\xBB\xBF[]"s, "[1]]"s, "//x"s}) {
        BOOST_TEST(!JsonText::parse(text).has_value(), text);
    }
}

BOOST_AUTO_TEST_CASE(members_are_left_out_by_their_name) {
    const auto without = [](const std::string& text) {
        return JsonText::parse(text)->without([](std::string_view name) { return name == "x"; });
    };
    BOOST_TEST(without(R"({"x":"1"})") == "{}");
    BOOST_TEST(without(R"( { "a" : 1.50 , "x" : null, "b" : [ ] , "x":true } )") ==
               R"({"a":1.50,"b":[]})");
    BOOST_TEST(without(R"({"a":[{"x":1},{"\u0078":2,"b":"x"},"x",[],3],"c":{"x":1,"d":{"x":2}}})") ==
               R"({"a":[{},{"b":"x"},"x",[],3],"c":{"d":{}}})");
    BOOST_TEST(without(R"({"x":{"x":1,"y":[1]},"":2})") == R"({"x":{"y":[1]},"":2})");
    BOOST_TEST(without(R"({"x":[{"x":0}]})") == R"({"x":[{}]})");
    BOOST_TEST(without(R"("x")") == R"("x")");
    const std::string deep = std::string(JsonText::max_depth, '[') + std::string(JsonText::max_depth, ']');
    BOOST_TEST(without(deep) == deep);
}

BOOST_AUTO_TEST_CASE(depth_is_bounded) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    BOOST_TEST(JsonText::parse(nested(JsonText::max_depth)).has_value());
    BOOST_TEST(!JsonText::parse(nested(JsonText::max_depth + 1)).has_value());
    BOOST_TEST(!JsonText::parse(std::string(50000000, '[')).has_value());
}

// Bytes changed at random: what is JSON and what is not is as another reader says.
BOOST_AUTO_TEST_CASE(it_takes_exactly_what_another_reader_takes) {
    const std::string whole =
        R"({"result":[{"ID":"1","T":"\u0414\u20ac","N":-1.5e+3,"o":{},"l":[true,false,null]}],)"
        R"("time":{"start":1700000000.25,"operating":0},"next":50, "error":"" })";
    const std::string bytes = "{}[]\",:\\u0123eE+-. tfn\n\x80\xC3";
    std::mt19937 random(20261130);
    const auto below = [&](std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
    };
    int valid = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string text = whole.substr(0, round % 7 == 0 ? below(whole.size()) : whole.size());
        for (std::size_t changes = below(3); changes > 0 && !text.empty(); --changes) {
            const std::size_t at = below(text.size());
            if (below(2) == 0) text[at] = bytes[below(bytes.size())];
            else text.erase(at, 1);
        }
        const bool other = nlohmann::json::accept(text);
        valid += other ? 1 : 0;
        BOOST_REQUIRE_MESSAGE(JsonText::parse(text).has_value() == other, text);
        if (!other) continue;
        // Half a surrogate pair is an error to the other: parse() of it fails before.
        const nlohmann::json parsed = nlohmann::json::parse(text);
        if (!parsed.is_object()) continue;
        for (const auto& [key, value] : JsonText::parse(text)->members()) {
            BOOST_REQUIRE(nlohmann::json::accept(value.text()));
        }
    }
    BOOST_TEST(valid > 1000);
}

BOOST_AUTO_TEST_SUITE_END()
