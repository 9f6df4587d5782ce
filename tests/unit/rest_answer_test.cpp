#include "rest/answer.h"

#include <array>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/text.h"

using namespace bx;

namespace {

HttpOutcome came(int status, const std::string& body) {
    HttpOutcome outcome;
    outcome.status = status;
    outcome.body = body;
    outcome.may_have_run = true;
    return outcome;
}

RestAnswer answer(int status, const std::string& body,
                  const std::vector<std::string>& secrets = {}) {
    return answer_of(came(status, body), secrets);
}

RestAnswer refusal(int status, const std::string& error) {
    return answer(status, R"({"error":")" + error + R"(","error_description":"why"})");
}

RestAnswer failure(HttpFailure kind, bool may_have_run) {
    HttpOutcome outcome;
    outcome.failure = kind;
    outcome.cause = "curl: (7) no";
    outcome.may_have_run = may_have_run;
    return answer_of(outcome, {});
}

// "STATUS REPEAT" of a call with an application's right.
std::string decision(const RestAnswer& answer) {
    constexpr std::array<const char*, 3> words{"yes", "if idempotent", "no"};
    return std::to_string(exit_status_of(answer.cause, Right::application)) + " " +
           words.at(static_cast<std::size_t>(answer.repeat()));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_answer)

BOOST_AUTO_TEST_CASE(a_result_of_any_type_is_a_success) {
    for (const char* result : {"null", "false", "[]", "0", "\"\"", "{}", "{\"error\":\"x\"}"}) {
        const RestAnswer told = answer(200, R"({"result":)" + std::string(result) + "}");
        BOOST_TEST(told.succeeded());
        BOOST_REQUIRE(told.find("result").has_value());
        BOOST_TEST(told.find("result")->text() == result);
        BOOST_TEST(decision(told) == "0 no");
    }
    BOOST_TEST(answer(200, R"({"error":null,"result":1})").succeeded());
}

BOOST_AUTO_TEST_CASE(the_error_decides_and_not_the_status) {
    for (int status : {200, 400, 401, 403, 500, 503}) {
        const RestAnswer told = refusal(status, "QUERY_LIMIT_EXCEEDED");
        BOOST_TEST((told.cause == RestCause::limit));
        BOOST_TEST(told.status == status);
        BOOST_TEST(told.code == "QUERY_LIMIT_EXCEEDED");
        BOOST_TEST(told.text == "QUERY_LIMIT_EXCEEDED: why");
    }
}

BOOST_AUTO_TEST_CASE(each_error_has_its_exit_status_and_its_repetition) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"QUERY_LIMIT_EXCEEDED", "75 yes"},   {"OPERATION_TIME_LIMIT", "75 no"},
        {"OVERLOAD_LIMIT", "75 no"},          {"expired_token", "75 no"},
        {"CONNECTION_ERROR", "75 yes"},       {"INTERNAL_SERVER_ERROR", "75 if idempotent"},
        {"ERROR_UNEXPECTED_ANSWER", "75 if idempotent"},
        {"METHOD_CONFIRM_WAITING", "75 no"},  {"METHOD_CONFIRM_DENIED", "77 no"},
        {"PAYMENT_REQUIRED", "75 no"},        {"NOT_INSTALLED", "75 no"},
        {"APPLICATION_NOT_FOUND", "75 no"},   {"NO_AUTH_FOUND", "75 no"},
        {"INVALID_CREDENTIALS", "75 no"},     {"invalid_token", "75 no"},
        {"ERROR_OAUTH", "75 no"},             {"authorization_error", "77 no"},
        {"user_access_error", "77 no"},       {"ACCESS_DENIED", "77 no"},
        {"WRONG_AUTH_TYPE", "77 no"},         {"WRONG_LICENSE", "77 no"},
        {"insufficient_scope", "77 no"},      {"invalid_scope", "77 no"},
        {"PORTAL_DELETED", "78 no"},          {"wrong_client", "78 no"},
        {"invalid_client", "78 no"},          {"invalid_grant", "75 no"},
        {"ERROR_METHOD_NOT_FOUND", "65 no"},  {"ERROR_ARGUMENT", "65 no"},
        {"ERROR_CORE", "65 no"},              {"NOT_FOUND", "65 no"},
        {"ERROR_BATCH_LENGTH_EXCEEDED", "65 no"},
        {"ERROR_BATCH_METHOD_NOT_ALLOWED", "65 no"},
        {"100", "65 no"},                     {"", "65 no"},
    };
    for (const auto& [error, expected] : table) {
        BOOST_TEST(decision(refusal(400, error)) == expected, error);
        const std::string other = lower(error) == error ? upper(error) : lower(error);
        BOOST_TEST(decision(refusal(200, other)) == expected, other);
    }
    BOOST_TEST(answer(200, R"({"error":100})").code == "100");
    BOOST_TEST(answer(200, R"({"error":""})").text == "an error without a name");
    BOOST_TEST(answer(200, R"({"error":"","error_description":"no deal"})").text == "no deal");
}

BOOST_AUTO_TEST_CASE(with_a_webhook_a_bad_token_and_a_new_name_are_configuration) {
    for (const RestCause cause : {RestCause::bad_token, RestCause::renamed}) {
        BOOST_TEST(exit_status_of(cause, Right::webhook) == 78);
        BOOST_TEST(exit_status_of(cause, Right::application) == 75);
    }
}

BOOST_AUTO_TEST_CASE(an_error_of_rest_3_is_an_object) {
    const RestAnswer told = answer(
        400, R"({"error":{"code":"ACCESS_DENIED","message":"not yours","validation":[]}})");
    BOOST_TEST((told.cause == RestCause::no_right));
    BOOST_TEST(told.text == "ACCESS_DENIED: not yours");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_goes_by_the_status) {
    for (const char* body : {"", "<html>SECRET</html>", "{\"result\":", "[1,2]", "1", "null"}) {
        for (const auto& [status, expected] :
             std::vector<std::pair<int, std::string>>{{200, "75 if idempotent"},
                                                      {404, "75 if idempotent"},
                                                      {500, "75 if idempotent"},
                                                      {502, "75 if idempotent"},
                                                      {503, "75 if idempotent"},
                                                      {429, "75 yes"},
                                                      {302, "75 no"},
                                                      {308, "75 no"}}) {
            const RestAnswer told = answer(status, body);
            BOOST_TEST(decision(told) == expected, status << " " << body);
            BOOST_TEST(told.text.find(std::to_string(status)) != std::string::npos);
            BOOST_TEST(told.text.find("SECRET") == std::string::npos, told.text);
        }
    }
    BOOST_TEST((answer(500, R"({"result":1})").cause == RestCause::server));
}

BOOST_AUTO_TEST_CASE(a_failed_connection_says_whether_it_may_have_run) {
    BOOST_TEST(decision(failure(HttpFailure::unreachable, false)) == "75 yes");
    BOOST_TEST(decision(failure(HttpFailure::timed_out, false)) == "75 yes");
    BOOST_TEST(decision(failure(HttpFailure::untrusted, false)) == "75 yes");
    BOOST_TEST(decision(failure(HttpFailure::timed_out, true)) == "75 if idempotent");
    BOOST_TEST(decision(failure(HttpFailure::cut, true)) == "75 if idempotent");
    BOOST_TEST(decision(failure(HttpFailure::too_large, true)) == "65 no");
    for (const HttpFailure kind :
         {HttpFailure::not_allowed, HttpFailure::forbidden, HttpFailure::no_curl,
          HttpFailure::bad_curl, HttpFailure::bad_cacert}) {
        BOOST_TEST(decision(failure(kind, false)) == "78 no");
    }
    BOOST_TEST(failure(HttpFailure::cut, true).text == "curl: (7) no");
}

BOOST_AUTO_TEST_CASE(what_a_server_says_is_masked_escaped_and_cut) {
    const RestAnswer told = answer(
        400, R"({"error":"A\u001b[31mB","error_description":"token s3cret-token\nx\u202e"})",
        {"s3cret-token"});
    BOOST_TEST(told.code == "A\\x1b[31mB");
    BOOST_TEST(told.text == "A\\x1b[31mB: token ***\\nx\\xe2\\x80\\xae");
    const RestAnswer escaped =
        answer(400, R"({"error":"E","error_description":"s3cret\u002dtoken s3cret-token"})",
               {"s3cret-token"});
    BOOST_TEST(escaped.text == "E: *** ***");
    const RestAnswer large = answer(400, R"({"error":")" + std::string(1 << 20, 'x') + "\"}");
    BOOST_TEST(large.text.size() <= 500U);
    BOOST_TEST(large.code.size() <= 100U);
    // Where it is cut no part of a secret may be left.
    const std::string late = std::string(490, 'x') + "s3cret-token";
    const RestAnswer at_the_end =
        answer(400, R"({"error":"E","error_description":")" + late + "\"}", {"s3cret-token"});
    BOOST_TEST(at_the_end.text.find("s3c") == std::string::npos, at_the_end.text);
}

BOOST_AUTO_TEST_CASE(the_operating_time_is_read) {
    const RestAnswer told = answer(
        200, R"({"result":1,"time":{"operating":1.0625,"operating_reset_at":1700000600}})");
    BOOST_TEST(told.operating_ms.value_or(-1) == 1062);
    BOOST_TEST(told.operating_reset_at.value_or(-1) == 1700000600);
    const RestAnswer failed = answer(429, R"({"error":"OPERATION_TIME_LIMIT",)"
                                          R"("time":{"operating":480,)"
                                          R"("operating_reset_at":1700000600.5}})");
    BOOST_TEST((failed.cause == RestCause::operating_limit));
    BOOST_TEST(failed.operating_ms.value_or(-1) == 480000);
    BOOST_TEST(failed.operating_reset_at.value_or(-1) == 1700000600);
    for (const char* time : {"null", "[]", "{}", "1", R"({"operating":"x"})",
                             R"({"operating":-1})", R"({"operating":99999999999999999999})"}) {
        const RestAnswer other = answer(200, R"({"result":1,"time":)" + std::string(time) + "}");
        BOOST_TEST(other.succeeded());
        BOOST_TEST(!other.operating_ms.has_value(), time);
        BOOST_TEST(!other.operating_reset_at.has_value(), time);
    }
}

BOOST_AUTO_TEST_CASE(an_answer_can_be_moved) {
    RestAnswer first = answer(200, R"({"result":1})");
    const RestAnswer second = std::move(first);
    BOOST_TEST(second.find("result")->text() == "1");
}

BOOST_AUTO_TEST_SUITE_END()
