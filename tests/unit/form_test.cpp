#include "form/form.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "event/payload.h"

namespace bx {

namespace {

using namespace std::string_literals;

std::string json_of(const Tree& tree) {
    std::string out;
    append_tree_json(out, tree);
    return out;
}

std::string from_form(std::string body, const FormLimits& limits = {}) {
    return json_of(decode_urlencoded(std::move(body), limits));
}

std::string from_json(const std::string& body, const FormLimits& limits = {}) {
    return json_of(decode_json(body, limits));
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    while (times-- > 0) out += text;
    return out;
}

// What a refused body's error says; "accepted" when it is not refused.
template <typename Decode>
std::string refusal(FormError::Problem problem, Decode decode) {
    try {
        decode();
    } catch (const FormError& error) {
        return error.problem() == problem ? error.what() : "another problem: "s + error.what();
    }
    return "accepted";
}

struct Case {
    std::string body;
    std::string json;
};

void check_forms(const std::vector<Case>& cases) {
    for (const Case& c : cases) BOOST_TEST_CONTEXT(c.body) BOOST_TEST(from_form(c.body) == c.json);
}

// A part with CRLF line ends; the headers without their last CRLF.
std::string part(const std::string& headers, const std::string& value) {
    return "--XX\r\n" + headers + "\r\n\r\n" + value + "\r\n";
}

std::string field(const std::string& name, const std::string& value) {
    return part("Content-Disposition: form-data; name=\"" + name + "\"", value);
}

const std::string xx_type = "multipart/form-data; boundary=XX";

std::string from_multipart(const std::string& body, std::string_view type = xx_type,
                           const FormLimits& limits = {}) {
    return json_of(decode_multipart(body, type, limits));
}

std::string malformed_multipart(const std::string& body, std::string_view type = xx_type) {
    return refusal(FormError::Problem::malformed, [&] { from_multipart(body, type); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(form)

// The examples of PHP's rules; the corpus (tests/conformance.cpp) has thousands more.

BOOST_AUTO_TEST_CASE(splits_at_ampersands_and_the_first_equals_sign) {
    check_forms({
        {"", "[]"},
        {"a=1;b=2", R"({"a":"1;b=2"})"},
        {"a=b=c&d&e=", R"({"a":"b=c","d":"","e":""})"},
        {"a%26b=1%3Dc&d%3De=2", R"({"a&b":"1=c","d=e":"2"})"},
        {"a[b=c]=1", R"({"a_b":"c]=1"})"},
        {"&&a=1&", R"({"a":"1"})"},
        {"a=1\r\n", R"({"a":"1\r\n"})"},
        {"a=1\0&b=2"s, R"({"a":"1\u0000","b":"2"})"},
    });
}

BOOST_AUTO_TEST_CASE(decodes_names_and_values_once) {
    check_forms({
        {"a=%41%zz%4&b=%&c=%%41&d=%4%41&e=%2541",
         R"({"a":"A%zz%4","b":"%","c":"%A","d":"%4A","e":"%41"})"},
        {"a%5Bb%5D=1&a%5bc]=2", R"({"a":{"b":"1","c":"2"}})"},
        {"a=x%00y&b=+%2B", R"({"a":"x\u0000y","b":" +"})"},
        {"a=%D0%90&b=%ff", "{\"a\":\"А\",\"b\":\"\xEF\xBF\xBD\"}"},
    });
}

BOOST_AUTO_TEST_CASE(makes_names_as_php_does) {
    check_forms({
        {"a%00[b]=1&c[d%00e]=2&f[g]%00[h]=3", R"({"a":"1","c_d":"2","f":{"g":"3"}})"},
        {"++a=1&\tb=2", R"({"a":"1","\tb":"2"})"},
        {"a.b c-d]=1&.z=3&tr =4", R"({"a_b_c-d]":"1","_z":"3","tr_":"4"})"},
        {"a.b[c.d e]=1", R"({"a_b":{"c.d e":"1"}})"},
        {"=1&%20=1&%00=1&[a]=1&[]=1&[=1", "[]"},
        {".[a]=1", R"({"_":{"a":"1"}})"},
    });
}

BOOST_AUTO_TEST_CASE(stops_at_a_cookie_prefix_the_sender_did_not_write_in_front) {
    check_forms({
        {"..Host-a=1&b=2", R"({"b":"2"})"},
        {"__Host-a=1", R"({"__Host-a":"1"})"},
        {"_[Host-a=1", "[]"},
        {"a[__Host-x]=1", R"({"a":[]})"},
        {"a[c][__Host-x][d]=1", R"({"a":{"c":[]}})"},
        {"a=5&a[__Secure-x]=1", R"({"a":[]})"},
        {"__Host-a[__Host-b]=1", R"({"__Host-a":{"__Host-b":"1"}})"},
        {"__Host-a[__Secure-b]=1", R"({"__Host-a":[]})"},
        {"a[__host-x]=1&a[__Host]=2", R"({"a":{"__host-x":"1","__Host":"2"}})"},
    });
}

BOOST_AUTO_TEST_CASE(reads_brackets_as_php_does) {
    check_forms({
        {"a[ ]=1&a[\t]=2&a[  ]=3&a[ b]=4", R"({"a":{"0":"1","1":"2","  ":"3"," b":"4"}})"},
        {"a[[b]]=1&b[b[c]]=1&c[[]=1", R"({"a":{"[b":"1"},"b":{"b[c":"1"},"c":{"[":"1"}})"},
        {"a[b]c[d]=1", R"({"a":{"b":"1"}})"},
        {"a[b]]=1", R"({"a":{"b":"1"}})"},
        {"a[]][=1", R"({"a":["1"]})"},
        {"a[=1", R"({"a_":"1"})"},
        {"a[b.c d[e=1", R"({"a_b_c_d_e":"1"})"},
        {"a[ =1", R"({"a__":"1"})"},
        {"a[b][c=1", R"({"a":{"b":"1"}})"},
        {"a[][c.d=1", R"({"a":["1"]})"},
        {"a]=1&]b[c]=2", R"({"a]":"1","]b":{"c":"2"}})"},
    });
}

BOOST_AUTO_TEST_CASE(appends_and_overwrites_as_php_does) {
    check_forms({
        {"a[][x]=1&a[][y]=2", R"({"a":[{"x":"1"},{"y":"2"}]})"},
        {"a[][]=1&a[][]=2", R"({"a":[["1"],["2"]]})"},
        {"a[-5]=x&a[]=y&a[]=z", R"({"a":{"-5":"x","-4":"y","-3":"z"}})"},
        {"a[9223372036854775807]=x&a[]=y&a[][b]=z&c=1",
         R"({"a":{"9223372036854775807":"x"},"c":"1"})"},
        {"a=1&b=2&a=3", R"({"a":"3","b":"2"})"},
        {"a.b=1&c=2&a_b=3&a b=4&a[b=5", R"({"a_b":"5","c":"2"})"},
        {"a[b]=1&a[b][c]=2&a[]=3", R"({"a":{"b":{"c":"2"},"0":"3"}})"},
        {"a=1&a[]=2&a[]=3", R"({"a":["2","3"]})"},
        {"0=x&1=y", R"(["x","y"])"},
        {"a[9]=x&a[][]=y&a[][k][]=z", R"({"a":{"9":"x","10":["y"],"11":{"k":["z"]}}})"},
    });
}

BOOST_AUTO_TEST_CASE(refuses_more_fields_than_the_limit) {
    const FormLimits three{3, 64};
    BOOST_TEST(from_form("a&b&c", three) == R"({"a":"","b":"","c":""})");
    BOOST_TEST(from_form("a&&c&", three) == R"({"a":"","c":""})");
    for (const std::string body : {"a&b&c&d", "&&&&", "=&=&=&=", "a[x][y]&&&&"}) {
        const FormLimits shallow{3, 1};  // the fields are looked at first
        BOOST_TEST(refusal(FormError::Problem::too_many_fields, [&] {
                       from_form(body, shallow);
                   }) == "4 fields are over the limit of 3 (limits.fields)");
    }
}

BOOST_AUTO_TEST_CASE(refuses_more_levels_than_the_limit) {
    const FormLimits two{1000, 2};
    BOOST_TEST(from_form("a[b][c]d[e]=1", two) == R"({"a":{"b":{"c":"1"}}})");
    BOOST_TEST(from_form("[b][c][d]=1&x[[[[=1", two) == R"({"x____":"1"})");
    for (const std::string body :
         {"a[b][c][d]=1", "a[][][]=1", "a[b][c][=1", "a[b][__Host-x][c]"}) {
        BOOST_TEST(refusal(FormError::Problem::too_deep, [&] { from_form(body, two); }) ==
                   "a field is more than 2 levels deep (limits.depth)");
    }
    BOOST_TEST(from_form("a" + repeated("[b]", 64) + "=1") ==
               R"({"a":)" + repeated(R"({"b":)", 64) + R"("1")" + repeated("}", 65));
    BOOST_TEST(refusal(FormError::Problem::too_deep, [] {
                   from_form("a" + repeated("[b]", 65) + "=1");
               }) == "a field is more than 64 levels deep (limits.depth)");
}

BOOST_AUTO_TEST_CASE(takes_the_media_type_up_to_its_first_delimiter) {
    BOOST_CHECK(media_type("application/x-www-form-urlencoded") == MediaType::form);
    BOOST_CHECK(media_type("APPLICATION/X-www-form-urlencoded, foo") == MediaType::form);
    BOOST_CHECK(media_type("application/x-www-form-urlencoded; charset=x") == MediaType::form);
    BOOST_CHECK(media_type("Multipart/form-data;boundary=x") == MediaType::multipart);
    BOOST_CHECK(media_type("application/json foo") == MediaType::json);
    for (const std::string_view other :
         {"", " application/json", "application/json\t; x", "text/plain", "application/jsonx",
          "\"application/json\""}) {
        BOOST_CHECK(media_type(other) == MediaType::other);
    }
}

BOOST_AUTO_TEST_CASE(decodes_by_content_type) {
    const FormLimits limits;
    BOOST_TEST(json_of(decode_body("a=1", "application/x-www-form-urlencoded; x", limits)) ==
               R"({"a":"1"})");
    BOOST_TEST(json_of(decode_body("{\"a\":1}", "application/json", limits)) == R"({"a":"1"})");
    BOOST_TEST(json_of(decode_body(field("a", "1") + "--XX--", xx_type, limits)) == R"({"a":"1"})");
    BOOST_CHECK_THROW(decode_body("a=1", "text/plain", limits), FormError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(json_form)

BOOST_AUTO_TEST_CASE(keeps_the_literal_text_of_scalars) {
    BOOST_TEST(
        from_json(R"({"a":1,"b":-0,"c":1.50,"d":1e2,"e":true,"f":false,"g":"x\u0410\n","h":-7})") ==
        R"({"a":"1","b":"-0","c":"1.50","d":"1e2","e":"1","f":"0","g":"xА\n","h":"-7"})");
    BOOST_TEST(from_json(R"({"a":123456789012345678901234567890,"b":18446744073709551615})") ==
               R"({"a":"123456789012345678901234567890","b":"18446744073709551615"})");
}

BOOST_AUTO_TEST_CASE(keeps_numbers_of_any_size) {
    const std::string digits(100'000, '7');
    for (const std::string& number :
         {"1e999"s, "-1E+99999"s, "0.5e-99999"s, "1e308"s, "1e309"s, digits, "-" + digits,
          "0." + digits, digits + "." + digits + "e" + digits}) {
        BOOST_TEST(from_json("{\"x\":[1,\"1e9999\\\"\"],\"a\" : [" + number + " , " + number +
                             "],\"b\":" + number + "}") == R"({"x":["1","1e9999\""],"a":[")" +
                                                               number + R"(",")" + number +
                                                               R"("],"b":")" + number + "\"}");
    }
}

BOOST_AUTO_TEST_CASE(drops_what_a_form_cannot_say) {
    BOOST_TEST(
        from_json(R"({"a":null,"b":[],"c":{},"d":{"e":null,"f":[{}]},"g":[[],[null]],"h":"1"})") ==
        R"({"h":"1"})");
    BOOST_TEST(from_json(R"({"a":[1,null,2],"b":{"c":{"d":null},"e":1}})") ==
               R"({"a":{"0":"1","2":"2"},"b":{"e":"1"}})");
    BOOST_TEST(from_json("{}") == "[]");
}

BOOST_AUTO_TEST_CASE(takes_keys_as_they_are) {
    BOOST_TEST(from_json(R"({"a.b [c]":1,"":{"":2}," x":3,"__Host-x":4,"0":{"1":5}})") ==
               R"({"a.b [c]":"1","":{"":"2"}," x":"3","__Host-x":"4","0":{"1":"5"}})");
}

BOOST_AUTO_TEST_CASE(lets_the_last_of_a_repeated_key_win_and_marks_it) {
    BOOST_TEST(from_json(R"({"a":1,"b":2,"a":3})") == R"({"a":"3","b":"2"})");
    BOOST_TEST(from_json(R"({"a":{"x":1,"y":2},"a":{"z":3}})") == R"({"a":{"z":"3"}})");
    BOOST_TEST(from_json(R"({"a":{"x":1},"b":1,"a":null})") == R"({"b":"1"})");
    BOOST_TEST(from_json(R"({"a":1,"b":1,"a":{}})") == R"({"b":"1"})");
    BOOST_TEST(from_json(R"({"a":null,"b":1,"a":{"x":[2]}})") == R"({"a":{"x":["2"]},"b":"1"})");
    BOOST_TEST(from_json(R"({"a":{"b":{"c":1},"b":null,"d":1}})") == R"({"a":{"d":"1"}})");

    const Tree tree = decode_json(R"({"a":{"x":1},"a":{"x":2},"b":null,"b":1,"c":1})", {});
    BOOST_TEST(tree.at("a").rewritten());
    BOOST_TEST(!tree.at("a.x").rewritten());
    BOOST_TEST(tree.at("b").rewritten());
    BOOST_TEST(!tree.at("c").rewritten());
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_object) {
    const std::vector<std::string> bodies = {"",
                                             " ",
                                             "[]",
                                             "1",
                                             "null",
                                             "\"a\"",
                                             "[{\"a\":1}]",
                                             "{",
                                             "{\"a\":1",
                                             "{\"a\":1}x",
                                             "{\"a\":1}{}",
                                             "{\"a\":1,}",
                                             "{'a':1}",
                                             "{\"a\":01}",
                                             "{\"a\":\"\xff\"}",
                                             "{\"a\":\"\\ud800\"}",
                                             "{\"a\":NaN}",
                                             "1e999",
                                             "{\"a\":1e9999.5}",
                                             "{\"a\":01e9999}",
                                             "{\"a\":+1e9999}",
                                             "{\"a\":1e9999x}",
                                             "{\"a\":1e9999 1e9999}",
                                             "{1e9999:1}",
                                             "{\"a\":1,1e9999 : 1}",
                                             "{\"a\":\"\n\"}",
                                             "{\"a\\u0000b\":1}",
                                             "{}\0x"s,
                                             "/**/{}",
                                             "{\"a\":1}\0"s};
    for (const std::string& body : bodies) {
        BOOST_TEST_CONTEXT(body) {
            const std::string said =
                refusal(FormError::Problem::malformed, [&] { from_json(body); });
            BOOST_TEST(said.find("JSON body") != said.npos, said);
        }
    }
}

BOOST_AUTO_TEST_CASE(never_quotes_the_body_in_its_error) {
    const std::string said =
        refusal(FormError::Problem::malformed, [] { from_json(R"({"token":"S3CRET" "x"})"); });
    BOOST_TEST(said.find("S3CRET") == said.npos);
    BOOST_TEST(said.find("at byte") != said.npos);
    for (const std::string before : {"", R"("a":1e9,)", R"("a":1e999,"b":[1e999,-1e999],)"}) {
        const std::string body = "{" + before + "x";
        BOOST_TEST(refusal(FormError::Problem::malformed, [&] { from_json(body); }) ==
                   "a syntax error in the JSON body at byte " + std::to_string(body.size()));
    }
}

BOOST_AUTO_TEST_CASE(applies_the_limits_of_json_as_it_reads) {
    const FormLimits three{3, 2};
    BOOST_TEST(from_json(R"({"a":{"b":{"c":1}},"d":[2,3]})", three) ==
               R"({"a":{"b":{"c":"1"}},"d":["2","3"]})");
    for (const std::string body :
         {R"({"a":[1,2,3,4]})", R"({"a":[null,null,null,null]})", R"({"a":[[],{},[],{}]})",
          R"({"a":1,"a":1,"a":1,"a":1} not read)"}) {
        BOOST_TEST(refusal(FormError::Problem::too_many_fields, [&] { from_json(body, three); }) ==
                   "4 fields are over the limit of 3 (limits.fields)");
    }
    BOOST_TEST(refusal(FormError::Problem::too_deep, [&] {
                   from_json(R"({"a":{"b":{"c":{}}}})", three);
               }) == "a field is more than 2 levels deep (limits.depth)");
    BOOST_TEST(refusal(FormError::Problem::too_deep, [] {
                   from_json("{\"a\":" + repeated("[", 100000));
               }) == "a field is more than 64 levels deep (limits.depth)");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(multipart_form)

BOOST_AUTO_TEST_CASE(reads_fields_in_order) {
    BOOST_TEST(from_multipart(field("b", "1") + field("a", "2\r\n\r\n3") + field("b", "4") +
                              "--XX--\r\n") == R"({"b":"4","a":"2\r\n\r\n3"})");
    BOOST_TEST(from_multipart("preamble\r\n" + field("a", "") + "--XX--\r\nepilogue") ==
               R"({"a":""})");
    BOOST_TEST(from_multipart(field("a", "1") + "--XX--") == R"({"a":"1"})");
    BOOST_TEST(from_multipart("") == "[]");
    BOOST_TEST(
        from_multipart(
            part("content-type: text/plain\r\ncontent-disposition:form-data; name=\"a\"", "1") +
            "--XX--\r\n") == R"({"a":"1"})");
}

BOOST_AUTO_TEST_CASE(applies_the_rules_of_names_without_url_decoding) {
    BOOST_TEST(from_multipart(field("d[F][ID]", "1") + field("d[F][]", "2") +
                              field("a%5Bb%5D+", "%41+") + field(" x.y", "3") + field("q[u", "4") +
                              field("d[F][]", "5") + "--XX--") ==
               R"({"d":{"F":{"ID":"1","0":"2","1":"5"}},"a%5Bb%5D+":"%41+","x_y":"3","q_u":"4"})");
}

BOOST_AUTO_TEST_CASE(is_binary_safe) {
    const std::string value = "\0\xff\r\r\n --XY\n-"s;
    BOOST_TEST(decode_multipart(field("a", value) + "--XX--", xx_type, {}).at("a").text() == value);
}

BOOST_AUTO_TEST_CASE(takes_the_boundary_as_php_does) {
    const std::string body = field("a", "1") + "--XX--\r\n";
    for (const std::string_view type :
         {"multipart/form-data; boundary=\"XX\"", "multipart/form-data; BOUNDARY=XX;charset=utf-8",
          "multipart/form-data; charset=x; boundary=XX", "multipart/form-data; boundary=XX, foo"}) {
        BOOST_TEST(from_multipart(body, type) == R"({"a":"1"})");
    }
    for (const std::string_view type :
         {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary",
          "multipart/form-data; boundary=\"XX", "multipart/form-data; boundary= XX",
          "multipart/form-data; boundary=XX ", "multipart/form-data; boundary='XX'",
          "multipart/form-data; boundary=\"X;X\"", "multipart/form-data; boundary=YY"}) {
        BOOST_TEST(malformed_multipart(body, type).starts_with("multipart body: "));
    }
}

BOOST_AUTO_TEST_CASE(takes_a_name_without_quotes_as_php_does) {
    for (const std::string_view disposition :
         {"form-data; name=a", "form-data; name=a ; x=y", "form-data;name= a\t",
          "attachment; NAME=a", "form-data; name=\"b\"; name=a", "form-data; name=b; name=\"a\"",
          "form-data; x=b c; name=a", "form-data; name==a"}) {
        const std::string header = "Content-Disposition: " + std::string(disposition);
        BOOST_TEST_CONTEXT(header) {
            BOOST_TEST(from_multipart(part(header, "1") + "--XX--") == R"({"a":"1"})");
        }
    }
    BOOST_TEST(from_multipart(part("Content-Disposition: form-data; name=a[b][]", "1") +
                              part("Content-Disposition: form-data; name=a[b][]", "2") +
                              part("Content-Disposition: form-data; name=\xd0\x90.=,:/", "3") +
                              "--XX--") == R"({"a":{"b":["1","2"]},"А_=,:/":"3"})");
    // A name elsewhere is none.
    BOOST_TEST(from_multipart(part("X: name=\"b\"\r\nContent-Disposition: form-data; name=a\r\n"
                                   "Content-Type: text/plain; name=\"c\"",
                                   "1") +
                              "--XX--") == R"({"a":"1"})");
}

BOOST_AUTO_TEST_CASE(says_what_multipart_it_wants) {
    const std::string lf = "--XX\nContent-Disposition: form-data; name=\"a\"\n\n1\n--XX--\n";
    BOOST_TEST(malformed_multipart(lf).find("CRLF, at byte 0") != std::string::npos);
    BOOST_TEST(malformed_multipart(field("a", "1\n--XX") + "--XX--").find("CRLF, at byte 5") !=
               std::string::npos);
    const std::string quotes = part("Content-Disposition: form-data; name='a'", "1") + "--XX--";
    BOOST_TEST(malformed_multipart(quotes).find("write name=\"...\"") != std::string::npos);
    for (const std::string& boundary :
         {std::string(71, 'X'), std::string("a;b"), std::string("X ")}) {
        BOOST_TEST(malformed_multipart("--" + boundary + "\r\n",
                                       "multipart/form-data; boundary=\"" + boundary + '"')
                       .find("1 to 70 letters") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(refuses_bodies_that_cannot_be_read_for_certain) {
    const std::string good = field("z", "26");
    const std::vector<std::string> bodies = {
        "x",
        "a=1&b=2",
        "--XX",
        "--XX--",
        "--XX--\r\n",
        "--XX\r\n--XX--\r\n",
        good,                             // no final boundary
        field("a", "1") + good + "--XX",  // cut
        "--XX\nContent-Disposition: form-data; name=\"a\"\n\n1\n--XX--\n",
        "--XX\r\n\r\n1\r\n--XX--\r\n",  // no headers
        "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n--XX--\r\n",
        field("a", "1 --XX\r\n2") + good + "--XX--\r\n",        // cgicc would cut there
        field("a", "1\r\n--XXfoo\r\n2") + good + "--XX--\r\n",  // PHP would
        field("a", "1") + "--XX--\r\n" + good + "--XX--\r\n",   // PHP reads on
        field("a", "1\n--XX") + "--XX--\r\n",
        field("", "1") + good + "--XX--",
        field("a\\\"b", "1") + good + "--XX--",
        field("a\0b"s, "1") + good + "--XX--",
        field(std::string(6000, 'a'), "1") + "--XX--",
        part("Content-Type: text/plain", "1") + good + "--XX--",
        part("Content-Disposition: form-data", "1") + good + "--XX--",
        part("Content-Disposition : form-data; name=\"a\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name='a'", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name==", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a=\"b\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a b", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a\"b", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a'b", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a\\b", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=a; filename=b", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name = \"a\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name= \"a\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; q='; name=\"a\"; r=' ; name='b'", "1") + "--XX--",
        part("Content-Disposition: form-data; name=\"a\"; name=", "1") + "--XX--",
        part("Content-Disposition: form-data; name=\"a\"; name", "1") + "--XX--",
        part("Content-Disposition: x\"; name=\"a\"", "1") + "--XX--",
        part("Content-Disposition: ;'; name=\"a\"", "1") + "--XX--",
        part("Content-Disposition: form-data; name=\"a\" b=\"; \"", "1") + "--XX--",
        part("Content-Disposition: form-data;\r\n name=\"a\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: x; name=\"b\"",
             "1") +
            "--XX--",
        part("Content-Disposition: form-data; name=\"a\"; filename=\"x\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=\"a\"; filename=\"\"", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=\"a\";\vfilename=x", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=\"a\";\ffilename=x", "1") + good + "--XX--",
        part("Content-Disposition: form-data; name=\"a\"; filename*=utf-8''x", "1") + good +
            "--XX--",
        part("Content-Disposition: form-data; FILENAME=x; name=\"a\"", "1") + good + "--XX--",
    };
    for (const std::string& body : bodies) {
        BOOST_TEST_CONTEXT(body) {
            const std::string said = malformed_multipart(body);
            BOOST_TEST(said.starts_with("multipart body: "), said);
        }
    }
}

BOOST_AUTO_TEST_CASE(applies_the_limits_to_parts) {
    const FormLimits two{2, 1};
    BOOST_TEST(from_multipart(field("a", "1") + field("b[c]", "2") + "--XX--", xx_type, two) ==
               R"({"a":"1","b":{"c":"2"}})");
    BOOST_TEST(refusal(FormError::Problem::too_many_fields, [&] {
                   from_multipart(field("a", "1") + field("b", "2") + field("b", "2") + "--XX--",
                                  xx_type, two);
               }) == "3 fields are over the limit of 2 (limits.fields)");
    BOOST_TEST(refusal(FormError::Problem::too_deep, [&] {
                   from_multipart(field("a[b][c]", "1") + "--XX--", xx_type, two);
               }) == "a field is more than 1 levels deep (limits.depth)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
