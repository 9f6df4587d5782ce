#include "rest/oauth.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace bx;

namespace {

constexpr Millis now = 1700000000 * second;
const std::string member = "a223c6b3710f85df22e9377d6c4f7553";
const std::string old_refresh = "old-refresh-token-0123456789";

App app() {
    App app;
    app.client_id = "local.1 x";
    app.client_secret = "s&cret=value";
    return app;
}

HttpOutcome came(int status, const std::string& body) {
    HttpOutcome outcome;
    outcome.status = status;
    outcome.body = body;
    outcome.may_have_run = true;
    return outcome;
}

// What the authorization server answers, with CHANGES in place of members.
std::string pair(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
    std::vector<std::pair<std::string, std::string>> members{
        {"access_token", "\"new-access-token\""},
        {"expires", "1700003600"},
        {"expires_in", "3600"},
        {"scope", "\"crm,task\""},
        {"domain", "\"oauth.bitrix.info\""},
        {"server_endpoint", "\"https://oauth.bitrix.info/rest/\""},
        {"status", "\"L\""},
        {"client_endpoint", "\"https://acme.bitrix24.com/rest/\""},
        {"member_id", "\"" + member + "\""},
        {"user_id", "7"},
        {"refresh_token", "\"new-refresh-token\""}};
    for (const auto& [name, value] : changes) {
        for (auto& each : members) {
            if (each.first == name) each.second = value;
        }
    }
    std::string text;
    for (const auto& [name, value] : members) {
        if (!value.empty()) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
    }
    return text + "}";
}

RenewalAnswer renewal(const std::string& body, int status = 200) {
    return renewal_of(came(status, body), app(), old_refresh, member, Endpoints({}), now);
}

std::string info(const std::string& install = "",
                 const std::string& outer = R"("client_id":"local.1","user_id":7)") {
    return R"({"result":{)" + outer + R"(,"scope":"crm","install":{"installed":true,"status":"L",)" +
           R"("client_endpoint":"https://acme.bitrix24.com/rest/")" + install + "}}}";
}

AppInfo app_info(const std::string& body, int status = 200) {
    return app_info_of(came(status, body), "the-access-token", Endpoints({}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_oauth)

BOOST_AUTO_TEST_CASE(a_server_is_chosen_by_exact_equality_alone) {
    Config config;
    config.apps.push_back({});
    config.apps.back().server = "https://10.0.0.1:8443";
    config.apps.push_back({});
    const std::vector<std::string> both{"https://oauth.bitrix.info", "https://oauth.bitrix24.tech"};
    const auto servers = [&](const std::string& endpoint) {
        return authorization_servers(endpoint, config);
    };
    BOOST_TEST(servers("https://oauth.bitrix.info/rest/") == std::vector{both[0]});
    BOOST_TEST(servers("https://oauth.bitrix24.tech/rest/") == std::vector{both[1]});
    BOOST_TEST(servers("https://10.0.0.1:8443/rest/") == std::vector{config.apps[0].server});
    for (const char* other :
         {"", "https://oauth.bitrix.info.evil/rest/", "https://OAuth.bitrix.info/rest/",
          "http://oauth.bitrix.info/rest/", "https://u@oauth.bitrix.info/rest/",
          "https://oauth.bitrix.info:443/rest/", "https://oauth.bitrix.info./rest/",
          "https://oauth.bitrix.info/rest/x", "https://oauth.bitrix.info@evil/rest/",
          "https://10.0.0.1/rest/", "https://10.0.0.1:8444/rest/", "/rest/"}) {
        BOOST_TEST(servers(other) == both, other);
    }
}

BOOST_AUTO_TEST_CASE(secrets_go_in_the_body_and_nowhere_else) {
    const HttpRequest renew = renewal_request("https://oauth.bitrix.info", app(), "re|fresh+tok");
    BOOST_TEST(renew.url == "https://oauth.bitrix.info/oauth/token/");
    BOOST_TEST(*renew.body == "grant_type=refresh_token&client_id=local.1%20x&"
                              "client_secret=s%26cret%3Dvalue&refresh_token=re%7Cfresh%2Btok");
    const HttpRequest ask = app_info_request("https://oauth.bitrix.info", "acc&ess");
    BOOST_TEST(ask.url == "https://oauth.bitrix.info/rest/app.info");
    BOOST_TEST(*ask.body == "auth=acc%26ess");
    const HttpRequest who = profile_request("https://acme.bitrix24.com/rest/", "access");
    BOOST_TEST(who.url == "https://acme.bitrix24.com/rest/profile");
    BOOST_TEST(*who.body == "auth=access");
}

BOOST_AUTO_TEST_CASE(a_token_has_an_alphabet_and_a_length) {
    BOOST_TEST(is_token("Aa0._|~-"));
    BOOST_TEST(is_token(std::string(2048, 'a')));
    for (const std::string& text : {std::string("short77"), std::string(2049, 'a'), std::string(),
                                    std::string("a b c d e"), std::string("abcdefgh\noutput = x"),
                                    std::string("abcdefgh\0", 9), std::string("abcdefg\xC3\xA9"),
                                    std::string("abcdefg\""), std::string("abcdefg/")}) {
        BOOST_TEST(!is_token(text), text);
    }
}

BOOST_AUTO_TEST_CASE(a_renewal_gives_a_new_pair) {
    const RenewalAnswer told = renewal(pair());
    BOOST_REQUIRE(told.result.succeeded());
    BOOST_TEST(told.access_token == "new-access-token");
    BOOST_TEST(told.refresh_token == "new-refresh-token");
    BOOST_TEST(told.expires_in == hour);
    BOOST_TEST(told.user_id == "7");
    BOOST_TEST(told.client_endpoint == "https://acme.bitrix24.com/rest/");
    BOOST_TEST(told.endpoint_problem == "");
    BOOST_TEST(told.status == "L");
    BOOST_TEST(told.scope == std::vector<std::string>({"crm", "task"}));
}

BOOST_AUTO_TEST_CASE(a_missing_refresh_token_keeps_the_old_one) {
    for (const char* value : {"", "null", "\"\""}) {
        const RenewalAnswer told = renewal(pair({{"refresh_token", value}}));
        BOOST_TEST(told.result.succeeded(), value);
        BOOST_TEST(told.refresh_token == "", value);
    }
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_unusable_is_a_failure) {
    for (const char* name : {"access_token", "refresh_token"}) {
        for (const char* value : {"\"short\"", "\"with a space in it\"", "\"line\\nend-line-end\""}) {
            const RenewalAnswer told = renewal(pair({{name, value}}));
            BOOST_TEST((told.result.cause == RestCause::server), name << value);
            BOOST_TEST(told.access_token == "");
            BOOST_TEST(told.refresh_token == "");
            BOOST_TEST(told.result.may_have_run);
        }
    }
    for (const char* value : {"", "null", "[]", "12345678", "true"}) {
        BOOST_TEST((renewal(pair({{"access_token", value}})).result.cause == RestCause::server), value);
    }
    for (const char* body : {"", "<html>", "{}", "[]", "{\"access_token\":\"new-acc"}) {
        BOOST_TEST((renewal(body).result.cause == RestCause::server), body);
    }
}

BOOST_AUTO_TEST_CASE(an_answer_of_another_portal_is_never_taken) {
    for (const char* value : {"", "null", "\"other\"", "\"\"", "1"}) {
        const RenewalAnswer told = renewal(pair({{"member_id", value}}));
        BOOST_TEST((told.result.cause == RestCause::foreign), value);
        BOOST_TEST(told.access_token == "", value);
    }
}

BOOST_AUTO_TEST_CASE(each_error_of_the_authorization_server_is_told_apart) {
    const std::vector<std::tuple<int, std::string, RestCause>> table{
        {200, "wrong_client", RestCause::wrong_client},
        {400, "invalid_client", RestCause::wrong_client},
        {400, "invalid_grant", RestCause::bad_grant},
        {400, "invalid_request", RestCause::refused},
        {403, "insufficient_scope", RestCause::no_right},
        {403, "invalid_scope", RestCause::no_right},
        {401, "PAYMENT_REQUIRED", RestCause::unpaid},
        {401, "NOT_INSTALLED", RestCause::not_installed},
        {401, "NO_AUTH_FOUND", RestCause::bad_token},
        {404, "NOT_FOUND", RestCause::portal_gone},
        {401, "authorization_error", RestCause::no_right},
        {500, "INTERNAL_SERVER_ERROR", RestCause::server},
    };
    for (const auto& [status, error, cause] : table) {
        const RenewalAnswer told =
            renewal(R"({"error":")" + error + R"(","error_description":"of s&cret=value and )" +
                        old_refresh + "\"}", status);
        BOOST_TEST((told.result.cause == cause), error);
        BOOST_TEST(told.result.text == error + ": of *** and ***");
        BOOST_TEST(told.access_token == "");
    }
    BOOST_TEST((renewal("<html>", 502).result.cause == RestCause::server));
    BOOST_TEST((renewal("", 302).result.cause == RestCause::renamed));
}

BOOST_AUTO_TEST_CASE(a_lost_answer_may_have_spent_the_token) {
    for (const bool sent : {true, false}) {
        HttpOutcome outcome;
        outcome.failure = HttpFailure::timed_out;
        outcome.may_have_run = sent;
        const RenewalAnswer told =
            renewal_of(outcome, app(), old_refresh, member, Endpoints({}), now);
        BOOST_TEST((told.result.cause == RestCause::lost));
        BOOST_TEST(told.result.may_have_run == sent);
    }
}

BOOST_AUTO_TEST_CASE(the_life_of_a_token_is_believed_within_reason) {
    const auto life = [](const std::string& in, const std::string& at) {
        return renewal(pair({{"expires_in", in}, {"expires", at}})).expires_in;
    };
    BOOST_TEST(life("1800", "1") == 30 * minute);
    // So many that their milliseconds are beyond 64 bits, and around again.
    BOOST_TEST(life("18446744073709552", "1800") == 30 * minute);
    BOOST_TEST(life("", "18446744073709552") == life("", ""));
    BOOST_TEST(life("\"1800\"", "") == 30 * minute);
    BOOST_TEST(life("", "1700001800") == 30 * minute);
    BOOST_TEST(life("", "\"1700001800\"") == 30 * minute);
    BOOST_TEST(life("", "1800") == 30 * minute);        // seconds, as in a page's AUTH_EXPIRES
    BOOST_TEST(life("", "1699990000") == hour);         // their clock is hours behind
    BOOST_TEST(life("", "1800000000") == hour);         // or years ahead
    for (const char* none : {"", "null", "0", "-1", "\"x\"", "99999999999999999999", "1e9",
                             "999999999999999"}) {
        BOOST_TEST(life(none, none) == hour, none);
    }
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_may_not_be_asked_is_not_taken) {
    for (const char* url :
         {"http://acme.bitrix24.com/rest/", "https://u@acme.bitrix24.com/rest/",
          "https://acme.bitrix24.com:8443/rest/", "https://127.0.0.1/rest/", "https://localhost/rest/",
          "https://acme.bitrix24.com./rest/", "https://acme.bitrix24.com/", "https://acme.bitrix24.com",
          "https://acme.bitrix24.com/rest/?x=/rest/", "https://acme.bitrix24.com/#/rest/", "", "x"}) {
        const RenewalAnswer told = renewal(pair({{"client_endpoint", "\"" + std::string(url) + "\""}}));
        BOOST_TEST(told.result.succeeded(), url);
        BOOST_TEST(told.client_endpoint == "", url);
        BOOST_TEST(told.endpoint_problem != "", url);
    }
    BOOST_TEST(renewal(pair({{"client_endpoint", ""}})).client_endpoint == "");
    Config config;
    config.apps.push_back({});
    config.apps.back().server = "https://127.0.0.1:8443";
    const RenewalAnswer named = renewal_of(
        came(200, pair({{"client_endpoint", "\"https://127.0.0.1:8443/acme/rest/\""}})), app(),
        old_refresh, member, Endpoints(config), now);
    BOOST_TEST(named.client_endpoint == "https://127.0.0.1:8443/acme/rest/");
}

BOOST_AUTO_TEST_CASE(a_scope_is_written_in_several_ways) {
    const auto scope = [](const std::string& value) {
        std::string all;
        for (const std::string& each : renewal(pair({{"scope", value}})).scope) all += each + ";";
        return all;
    };
    BOOST_TEST(scope("\"crm,task\"") == "crm;task;");
    BOOST_TEST(scope("\"crm task\"") == "crm;task;");
    BOOST_TEST(scope("\" crm, task ,crm,,app\"") == "crm;task;app;");
    BOOST_TEST(scope("[\"crm\",\"task\"]") == "crm;task;");
    BOOST_TEST(scope("\"cr\\u001bm\"") == "cr\\x1bm;");
    for (const char* none : {"", "null", "\"\"", "[]"}) BOOST_TEST(scope(none) == "", none);
}

BOOST_AUTO_TEST_CASE(app_info_says_whose_a_token_is) {
    const AppInfo told = app_info(info(",\"member_id\":\"" + member + "\""));
    BOOST_REQUIRE(told.result.succeeded());
    BOOST_TEST(told.client_id == "local.1");
    BOOST_TEST(told.user_id == "7");
    BOOST_TEST(told.member_id == member);
    BOOST_TEST(told.client_endpoint == "https://acme.bitrix24.com/rest/");
    BOOST_TEST(told.installed);
    BOOST_TEST(told.status == "L");
}

BOOST_AUTO_TEST_CASE(an_app_info_that_proves_nothing_is_a_failure) {
    const std::string of_member = ",\"member_id\":\"m\"";
    for (const std::string& body :
         {info(), info(",\"member_id\":\"\""), info(",\"member_id\":null"),
          info(of_member, R"("user_id":7)"), info(of_member, R"("client_id":["local.1"])"),
          info(",\"member_id\":\"" + std::string(300, 'm') + "\""), std::string("{\"result\":[]}"),
          std::string("{\"result\":{\"client_id\":\"local.1\"}}"), std::string("{}"),
          std::string("{\"result\":{\"SCOPE\":\"crm\",\"LICENSE\":\"x\"}}"), std::string("<html>")}) {
        BOOST_TEST((app_info(body).result.cause == RestCause::server), body);
    }
    BOOST_TEST((app_info(R"({"error":"invalid_client"})", 400).result.cause == RestCause::wrong_client));
    const AppInfo late = app_info(R"({"error":"expired_token","error_description":"the-access-token"})");
    BOOST_TEST((late.result.cause == RestCause::expired_token));
    BOOST_TEST(late.result.text == "expired_token: ***");
}

BOOST_AUTO_TEST_CASE(a_profile_says_who_and_whether_an_admin) {
    const auto profile = [](const std::string& body) {
        return profile_of(answer_of(came(200, body), {"the-access-token"}));
    };
    for (const char* yes : {"true", "\"Y\"", "1", "\"1\"", "\"true\""}) {
        const Profile told = profile(R"({"result":{"ID":"7","ADMIN":)" + std::string(yes) + "}}");
        BOOST_TEST(told.result.succeeded());
        BOOST_TEST(told.user_id == "7");
        BOOST_TEST(told.admin, yes);
    }
    for (const char* no : {"false", "\"N\"", "0", "\"\"", "null", "[]", "{}", "\"yes please\""}) {
        BOOST_TEST(!profile(R"({"result":{"ID":"7","ADMIN":)" + std::string(no) + "}}").admin, no);
    }
    BOOST_TEST(!profile(R"({"result":{"ID":7}})").admin);
    BOOST_TEST(profile(R"({"result":{"ID":7}})").user_id == "7");
    BOOST_TEST((profile(R"({"result":{"ADMIN":true}})").result.cause == RestCause::server));
    BOOST_TEST((profile(R"({"error":"insufficient_scope"})").result.cause == RestCause::no_right));
}

BOOST_AUTO_TEST_SUITE_END()
