// A call of a method: its name, its arguments, its request.
#include <boost/test/unit_test.hpp>
#include <string>

#include "base/error.h"
#include "rest/call_fields.h"
#include "rest/method_call.h"

using namespace bx;

namespace {

const Grant app{Right::application, "https://acme.example/rest/", "tok|en"};
const Grant webhook{Right::webhook, "https://acme.example/rest/1/c0de/"};

HttpRequest request(const MethodCall& call, const Grant& grant = app) {
    return request_of(call, grant);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_call)

BOOST_AUTO_TEST_CASE(a_method_is_a_word_that_cannot_lead_elsewhere) {
    for (const char* name : {"crm.deal.get", "profile", "tasks.flow.Flow.isExists", "a_b-c.d9"}) {
        BOOST_TEST(is_method_name(name), name);
    }
    for (const char* name : {"", ".", "..", ".a", "a.", "a/b", "a?b", "a#b", "a b", "a%2f", "a\nb",
                             "crm.deal.get.xml", "x.XML", "-a", "a:b", "ä"}) {
        BOOST_TEST(!is_method_name(name), name);
    }
    BOOST_TEST(!is_method_name(std::string(256, 'a')));
}

BOOST_AUTO_TEST_CASE(what_reads_only_is_told_by_its_last_part) {
    for (const char* name : {"crm.deal.get", "crm.deal.LIST", "crm.deal.fields", "user.get",
                             "event.get", "calendar.event.get", "get"}) {
        BOOST_TEST(reads_only(name), name);
    }
    for (const char* name : {"crm.deal.add", "crm.deal.update", "event.offline.get",
                             "Event.Offline.GET", "imbot.v2.Event.get", "im.v2.Event.get", "batch",
                             "crm.deal.getter", "list.add", "event.offline.clear"}) {
        BOOST_TEST(!reads_only(name), name);
    }
}

BOOST_AUTO_TEST_CASE(fields_are_a_form_in_their_order) {
    BOOST_TEST(form_of({}) == "");
    BOOST_TEST(form_of({"id=7", "fields[A]=1", "a="}) == "id=7&fields%5BA%5D=1&a=");
    BOOST_TEST(form_of({"a== &+%\n\xD0\x96"}) == "a=%3D%20%26%2B%25%0A%D0%96");
    BOOST_TEST(form_of({"b=1", "a=2", "b=3"}) == "b=1&a=2&b=3");
    BOOST_TEST(form_of({"filter[>=ID]=7", "filter[!=A]==", "a[=1"}) ==
               "filter%5B%3E%3DID%5D=7&filter%5B%21%3DA%5D=%3D&a%5B=1");
    for (const char* word : {"id", "=7", "[a]=1", " =1", ""}) {
        BOOST_CHECK_THROW(form_of({word}), UsageError);
    }
}

BOOST_AUTO_TEST_CASE(fields_below_a_name_have_no_name_that_the_server_keeps) {
    BOOST_TEST(form_below("V", {}) == "");
    BOOST_TEST(form_below("V", {"a=1", "b[]=2", "c[d][e]==&", "auth=3"}) ==
               "V%5Ba%5D=1&V%5Bb%5D%5B%5D=2&V%5Bc%5D%5Bd%5D%5Be%5D=%3D%26&V%5Bauth%5D=3");
    for (const char* word : {"a", "=1", "[a]=1", ""}) {
        BOOST_CHECK_THROW(form_below("V", {word}), UsageError);
    }
}

BOOST_AUTO_TEST_CASE(what_the_server_keeps_for_itself_is_an_error_however_it_is_written) {
    for (const char* name :
         {"auth", "access_token", "token", "state", "ap", "aplogin", "auth_connector", " auth",
          "access.token", "access token", "auth[x]"}) {
        BOOST_CHECK_THROW(form_of({std::string(name) + "=1"}), UsageError);
    }
    BOOST_TEST(form_of({"fields[auth]=1", "AUTH=2", "tokens=3", "start=4"}) ==
               "fields%5Bauth%5D=1&AUTH=2&tokens=3&start=4");
    BOOST_CHECK_THROW(check_json_call(R"({"a":1,"auth":2})", "x"), UsageError);
    BOOST_CHECK_THROW(check_json_call("[]", "x"), UsageError);
    check_json_call(R"({"a":{"auth":2}})", "x");
}

BOOST_AUTO_TEST_CASE(a_token_goes_last_in_the_body_and_a_code_in_the_address) {
    const HttpRequest form = request({.method = "crm.deal.get", .body = "id=7"});
    BOOST_TEST(form.url == "https://acme.example/rest/crm.deal.get");
    BOOST_TEST(*form.body == "id=7&auth=tok%7Cen");
    BOOST_TEST(*request({.method = "profile"}).body == "auth=tok%7Cen");
    const HttpRequest json = request({.method = "m", .body = "{\"a\":[]}", .json = true});
    BOOST_TEST(*json.body == "{\"a\":[],\"auth\":\"tok|en\"}");
    BOOST_TEST(json.content_type == "application/json");
    BOOST_TEST(*request({.method = "m", .body = " { } ", .json = true}).body ==
               " { \"auth\":\"tok|en\"}");
    const HttpRequest by_code = request({.method = "m", .body = "id=7"}, webhook);
    BOOST_TEST(by_code.url == "https://acme.example/rest/1/c0de/m");
    BOOST_TEST(*by_code.body == "id=7");
    BOOST_TEST(webhook.secrets() == std::vector<std::string>{"c0de"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(in_rest_3_the_body_is_what_is_asked_alone) {
    MethodCall call{.method = "tasks.task.add", .body = "{\"a\":1}", .json = true};
    call.version_3 = true;
    call.idempotency_key = "k";
    const HttpRequest sent = request(call);
    BOOST_TEST(sent.url == "https://acme.example/rest/api/tasks.task.add");
    BOOST_TEST(*sent.body == "{\"a\":1}");
    BOOST_TEST(sent.headers ==
                   (std::vector<std::string>{"Idempotency-Key: k", "Authorization: Bearer tok|en"}),
               boost::test_tools::per_element());
    BOOST_TEST(request(call, webhook).url == "https://acme.example/rest/api/1/c0de/tasks.task.add");
}

BOOST_AUTO_TEST_SUITE_END()
