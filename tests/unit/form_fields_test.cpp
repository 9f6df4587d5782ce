#include "cli/form_fields.h"

#include <boost/test/unit_test.hpp>

#include "form/form.h"

namespace {

bx::FormFields form(const std::string& body) {
    return bx::FormFields(bx::decode_urlencoded(body, {}));
}

// BODY after its field at PATH was set; brackets not encoded, to be readable.
std::string after_set(const std::string& body, const std::string& path, const std::string& value) {
    bx::FormFields fields = form(body);
    fields.set(path, value);
    std::string text = fields.encode();
    for (auto [code, bracket] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
        for (std::size_t at; (at = text.find(code)) != std::string::npos;) {
            text.replace(at, 3, bracket);
        }
    }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(form_fields)

BOOST_AUTO_TEST_CASE(encodes_as_http_build_query) {
    BOOST_TEST(form("a[b][]=1&a[b][]=2&c=x").encode() ==
               "a%5Bb%5D%5B0%5D=1&a%5Bb%5D%5B1%5D=2&c=x");
    BOOST_TEST(form("a=%D0%9F+~*'(&b[%20%5B]=-_.").encode() ==
               "a=%D0%9F+%7E%2A%27%28&b%5B+%5B%5D=-_.");
    BOOST_TEST(form("").encode() == "");
}

BOOST_AUTO_TEST_CASE(what_it_encodes_decodes_to_the_same) {
    std::string body = "event=X&data%5Ba%5D%5B7%5D=1&data%5Ba%5D%5B8%5D%5Bx%5D=2&data%5Bb%5D=3&ts=4";
    BOOST_TEST(form(body).encode() == body);
}

BOOST_AUTO_TEST_CASE(a_set_field_keeps_its_place) {
    BOOST_TEST(after_set("a[x]=1&a[y]=2&b=3", "a.x", "9") == "a[x]=9&a[y]=2&b=3");
}

BOOST_AUTO_TEST_CASE(a_new_field_stands_with_its_siblings) {
    BOOST_TEST(after_set("a[x]=1&a[z][q]=2&b=3", "a.y", "9") == "a[x]=1&a[z][q]=2&a[y]=9&b=3");
    BOOST_TEST(after_set("a[x][p]=1&a[z]=2", "a.x.q", "9") == "a[x][p]=1&a[x][q]=9&a[z]=2");
    BOOST_TEST(after_set("a=1", "c", "9") == "a=1&c=9");
}

BOOST_AUTO_TEST_CASE(a_set_field_makes_room) {
    BOOST_TEST(after_set("a=1&b=2", "a.x", "9") == "b=2&a[x]=9");
    BOOST_TEST(after_set("a[x]=1&a[y]=2&b=3", "a", "9") == "b=3&a=9");
}

BOOST_AUTO_TEST_CASE(unset_takes_a_field_or_all_below_it) {
    bx::FormFields fields = form("a[x]=1&a[y][z]=2&ab=3");
    BOOST_TEST(fields.unset("a.y"));
    BOOST_TEST(fields.encode() == "a%5Bx%5D=1&ab=3");
    BOOST_TEST(fields.unset("a"));
    BOOST_TEST(fields.encode() == "ab=3");
    BOOST_TEST(!fields.unset("a"));
}

BOOST_AUTO_TEST_CASE(secrets_can_be_hidden) {
    BOOST_TEST(form("auth[access_token]=s&data[x][TOKEN]=s&y=1").encode(true) ==
               "auth%5Baccess_token%5D=***&data%5Bx%5D%5BTOKEN%5D=***&y=1");
}

BOOST_AUTO_TEST_SUITE_END()
