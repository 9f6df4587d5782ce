#include "rest/batch.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/url.h"

using namespace bx;

namespace {

RestAnswer answer(const std::string& body) {
    HttpOutcome outcome;
    outcome.status = 200;
    outcome.body = body;
    outcome.may_have_run = true;
    return answer_of(std::move(outcome), {});
}

// The query of a batch's one line.
std::string query(const std::string& params) {
    const auto calls = read_batch(R"({"id":1,"method":"m","params":)" + params + "}");
    BOOST_REQUIRE(calls.size() == 1U);
    return percent_decoded(calls.front().query);
}

std::string complaint(const std::string& text) {
    try {
        read_batch(text);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "none";
}

struct Sent {
    std::vector<std::string> bodies;
    std::vector<std::string> lines;
    std::vector<std::string> noted;  // "METHOD MILLIS", or "METHOD blocked"
    BatchEnd end;
};

Sent send(const std::string& text, std::vector<std::string> answers) {
    Sent sent;
    std::size_t next = 0;
    sent.end = BatchSender(
                   Right::application,
                   [&](const MethodCall& call) {
                       sent.bodies.push_back(call.method + " " + call.body);
                       BOOST_REQUIRE(next < answers.size());
                       return answer(answers[next++]);
                   },
                   [&](const std::string& line) { sent.lines.push_back(line); },
                   [&](const std::string& method, const RestAnswer& told) {
                       const bool blocked = told.cause == RestCause::operating_limit;
                       sent.noted.push_back(
                           method + " " +
                           (blocked ? "blocked" : std::to_string(told.operating_ms.value_or(0))));
                   })
                   .send(read_batch(text));
    return sent;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_batch)

BOOST_AUTO_TEST_CASE(params_are_a_query_as_php_writes_it) {
    BOOST_TEST(query("{}") == "");
    BOOST_TEST(query("[]") == "");
    BOOST_TEST(query("null") == "");
    BOOST_TEST(query(R"({"id":7,"a":1.50,"t":true,"f":false,"s":"x & y"})") ==
               "id=7&a=1.50&t=1&f=0&s=x & y");
    BOOST_TEST(query(R"({"fields":{"TITLE":"Ж","N":{"a":["1",2]}},"select":["ID","T"],"z":""})") ==
               "fields[TITLE]=Ж&fields[N][a][0]=1&fields[N][a][1]=2&select[0]=ID&select[1]=T&z=");
}

BOOST_AUTO_TEST_CASE(what_a_command_cannot_say_is_an_error_of_its_line) {
    for (const char* params : {R"({"a":null})", R"({"a":[]})", R"({"a":{"b":{}}})", "7", "[1]",
                               R"({"auth":"x"})", R"({"access.token":"x"})"}) {
        BOOST_TEST(complaint("\n{\"method\":\"m\"}\n{\"method\":\"m\",\"params\":" +
                             std::string(params) + "}")
                       .starts_with("--batch: line 3: "),
                   params);
    }
    for (const char* line : {"7", "{", "{\"method\":7.5x}", "{\"id\":1}", R"({"method":"a/b"})"}) {
        BOOST_TEST(complaint(line).starts_with("--batch: line 1: "), line);
    }
    BOOST_TEST(read_batch("\n \r\n").empty());
}

BOOST_AUTO_TEST_CASE(fifty_go_in_a_request_and_each_has_its_line) {
    std::string text;
    std::string first;
    for (int i = 0; i < 51; ++i) {
        text += "{\"id\":" + std::to_string(i) + R"(,"method":"m","params":{"n":)" +
                std::to_string(i) + "}}\n";
        if (i < 50)
            first += (i > 0 ? ",\"c" : "\"c") + std::to_string(i) + "\":" + std::to_string(i);
    }
    const Sent sent = send(text, {R"({"result":{"result":{)" + first + R"(},"result_error":[]}})",
                                  R"({"result":{"result":{"c0":null},"result_error":[]}})"});
    BOOST_TEST(sent.bodies.size() == 2U);
    BOOST_TEST(sent.bodies.back() == "batch halt=0&cmd%5Bc0%5D=m%3Fn%3D50");
    BOOST_TEST(sent.lines.size() == 51U);
    BOOST_TEST(sent.lines[49] == R"({"id":49,"result":49})");
    BOOST_TEST(sent.lines[50] == R"({"id":50,"result":null})");
    BOOST_TEST(sent.end.failed == 0U);
}

BOOST_AUTO_TEST_CASE(errors_are_told_beside_results_and_an_empty_section_is_a_list) {
    const std::string two = "{\"id\":\"a\",\"method\":\"m\"}\n{\"method\":\"n\"}\n";
    Sent sent = send(
        two,
        {R"({"result":{"result":{"c1":[]},"result_error":{"c0":{"error":"NO","error_description":"x"}}}})"});
    BOOST_TEST(sent.lines[0] == R"({"id":"a","error":{"error":"NO","error_description":"x"}})");
    BOOST_TEST(sent.lines[1] == R"({"id":null,"result":[]})");
    BOOST_TEST(sent.end.failed == 1U);
    BOOST_TEST(!sent.end.may_repeat);
    sent = send(
        two,
        {R"({"result":{"result":[],"result_error":{"c0":{"error":"OPERATION_TIME_LIMIT"},"c1":{"error":""}}}})"});
    BOOST_TEST(sent.end.failed == 2U);
    BOOST_TEST(sent.end.may_repeat);
    sent = send(two, {R"({"result":{"result":[],"result_error":[]}})"});
    BOOST_TEST(sent.end.failed == 2U);
    BOOST_TEST(sent.end.may_repeat);
    BOOST_TEST(sent.lines[0].find("nothing for it") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_operating_time_of_each_method_is_told_as_it_was_last) {
    const std::string text = R"({"id":1,"method":"a"}
{"id":2,"method":"b"}
{"id":3,"method":"a"}
{"id":4,"method":"c"})";
    const Sent sent = send(text, {R"({"result":{"result":{"c0":1,"c2":1},"result_error":{
        "c1":{"error":"OPERATION_TIME_LIMIT"},"c3":{"error":"NO"}},"result_time":{
        "c0":{"operating":60.5,"operating_reset_at":1767225600},"c2":{"operating":121}}}})"});
    const std::vector<std::string> noted{"a 121000", "b blocked", "c 0"};
    BOOST_TEST(sent.noted == noted, boost::test_tools::per_element());
    BOOST_TEST(send(text, {R"({"error":"ACCESS_DENIED"})"}).noted.empty());
    BOOST_TEST(send(text, {R"({"result":{"result":[],"result_error":[],"result_time":[]}})"})
                   .noted.size() == 3U);
}

BOOST_AUTO_TEST_CASE(what_looks_like_another_commands_result_is_called_alone) {
    const Sent sent = send(
        "{\"id\":1,\"method\":\"m\"}\n"
        R"({"id":2,"method":"crm.deal.add","params":{"fields":{"TITLE":"a $result[c0] b"}}})"
        "\n"
        R"({"id":3,"method":"m","params":{"$result[c0]":1}})",
        {R"({"result":{"result":{"c0":1},"result_error":[]}})", R"({"result":8})",
         R"({"error":"NO","error_description":"no"})"});
    BOOST_TEST(sent.bodies[1] == "crm.deal.add fields%5BTITLE%5D=a%20%24result%5Bc0%5D%20b");
    BOOST_TEST(sent.lines[1] == R"({"id":2,"result":8})");
    BOOST_TEST(sent.lines[2] == R"({"id":3,"error":{"error":"NO","error_description":"NO: no"}})");
}

BOOST_AUTO_TEST_CASE(after_a_request_that_failed_nothing_more_is_sent_and_each_has_its_line) {
    std::string text;
    for (int i = 0; i < 101; ++i) text += "{\"id\":" + std::to_string(i) + ",\"method\":\"m\"}\n";
    const Sent sent =
        send(text, {R"({"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many"})"});
    BOOST_TEST(sent.bodies.size() == 1U);
    BOOST_TEST(sent.lines.size() == 101U);
    BOOST_TEST(
        sent.lines[0] ==
        R"({"id":0,"error":{"error":"QUERY_LIMIT_EXCEEDED","error_description":"QUERY_LIMIT_EXCEEDED: Too many"}})");
    BOOST_TEST(sent.lines[100].find("not sent: QUERY_LIMIT_EXCEEDED") != std::string::npos);
    BOOST_TEST(sent.end.failed == 101U);
    BOOST_TEST(sent.end.may_repeat);
    BOOST_TEST(sent.end.text == "QUERY_LIMIT_EXCEEDED: Too many");
}

BOOST_AUTO_TEST_SUITE_END()
