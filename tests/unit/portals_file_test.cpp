// Files with installations: what import takes of them, and what export writes.
#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "base/sha256.h"
#include "cli/portals_file.h"

using bx::FileEntry;

namespace {

// "line member client refresh digest-or-dash", or "line: problem"; the lines joined.
std::string read(std::string_view text, const std::string& app = "") {
    std::string shown;
    for (const FileEntry& entry : bx::read_portals_file(text, app)) {
        shown += std::to_string(entry.line);
        if (!entry.problem.empty()) {
            shown += ": " + entry.problem + "\n";
            continue;
        }
        const bx::BroughtInstallation& portal = entry.portal;
        shown += ' ' + portal.member_id + ' ' + portal.client_id + ' ' + portal.refresh_token;
        if (portal.application_token == bx::sha256("app token")) shown += " app";
        else if (!portal.application_token.empty()) shown += " another";
        shown += '\n';
    }
    return shown;
}

// A digest, but not that of "app token".
const std::string digits = "a3236de79a04b9c3b7c2ce4f61b15b6bd1dee5f7c0e2b1b3b3a76b2d9fcfc7e6";

std::string failure(std::string_view text) {
    try {
        bx::read_portals_file(text, "");
    } catch (const bx::Error& error) {
        return error.what();
    }
    return "nothing was thrown";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(portals_file)

BOOST_AUTO_TEST_CASE(reads_what_it_writes) {
    const std::string line =
        bx::portals_line({"m1", "local.1", "refresh-1", bx::sha256("app token")});
    BOOST_TEST(read(line) == "1 m1 local.1 refresh-1 app\n");
    BOOST_TEST(line.find("app token") == std::string::npos);
    BOOST_TEST(bx::portals_line({"m2", "local.1", "refresh-2", ""}) ==
               R"({"member_id":"m2","client_id":"local.1","refresh_token":"refresh-2"})" "\n");
}

BOOST_AUTO_TEST_CASE(reads_lines_of_json_with_a_token_or_its_digest) {
    BOOST_TEST(read(R"({"member_id":"m1","client_id":"a.1","refresh_token":"refresh-1","application_token":"app token","domain":"x"}

{"refresh_token":"refresh-2","client_id":"a.1","member_id":"m2"}
)") == "1 m1 a.1 refresh-1 app\n3 m2 a.1 refresh-2\n");
}

BOOST_AUTO_TEST_CASE(reads_tables_with_tabs_semicolons_and_commas) {
    for (const char separator : {'\t', ';', ','}) {
        std::string text = "\xef\xbb\xbf" "Name,Member_id,client_id,refresh_token,application_token\r\n"
                           "\"One|Two \"\"Ltd\"\"\",m1,a.1,refresh-1,app token\r\n"
                           "Three,m2,a.1,refresh-2,\r\n";
        for (char& c : text) {
            if (c == ',') c = separator;
            if (c == '|') c = separator;
        }
        BOOST_TEST(read(text) == "2 m1 a.1 refresh-1 app\n3 m2 a.1 refresh-2\n");
    }
}

BOOST_AUTO_TEST_CASE(reads_the_settings_of_crest_without_its_application_token) {
    const std::string text = R"({
    "access_token": "access-1",
    "expires_in": "3600",
    "application_token": "app token",
    "refresh_token": "refresh-1",
    "domain": "some.bitrix24.com",
    "client_endpoint": "https:\/\/some.bitrix24.com\/rest\/",
    "member_id": "m1"
})";
    BOOST_TEST(read(text, "local.1") == "1 m1 local.1 refresh-1\n");
    BOOST_TEST(read(text) == "1: it has no client_id: name it with --app\n");
    BOOST_TEST(read(R"({"access_token":"a","refresh_token":"refresh-1"})", "local.1") ==
               "1: it has no member_id: CRest stores it with the first renewal, or add it by hand\n");
}

BOOST_AUTO_TEST_CASE(says_of_each_bad_line_what_is_wrong) {
    BOOST_TEST(read("{\"member_id\":\"m1\",\"client_id\":\"a\",\"refresh_token\":\"refresh-1\"}\n"
                    "nonsense\n"
                    "{\"client_id\":\"a\",\"refresh_token\":\"refresh-1\"}\n"
                    "{\"member_id\":\"m 2\",\"client_id\":\"a\",\"refresh_token\":\"refresh-1\"}\n"
                    "{\"member_id\":\"m2\",\"refresh_token\":\"refresh-1\"}\n"
                    "{\"member_id\":\"m2\",\"client_id\":\"a\"}\n"
                    "{\"member_id\":\"m2\",\"client_id\":\"a\",\"refresh_token\":\"a\\\"b\\noutput=x\"}\n"
                    "{\"member_id\":\"m2\",\"client_id\":\"a\",\"refresh_token\":\"refresh-1\","
                    "\"application_token_sha256\":\"12\"}\n"
                    "{\"member_id\":\"m1\",\"client_id\":\"a\",\"refresh_token\":\"refresh-9\"}\n") ==
               "1 m1 a refresh-1\n"
               "2: it is not a JSON object\n"
               "3: it has no member_id\n"
               "4: its member_id is none\n"
               "5: it has no client_id: name it with --app\n"
               "6: it has no refresh_token\n"
               "7: its refresh_token has not the form of one\n"
               "8: application_token_sha256 is not 64 hexadecimal digits\n"
               "9: line 1 has this application on that portal too\n");
    BOOST_TEST(read("member_id,client_id,refresh_token\nm1,a\nm1,a,\"refresh-1\n") ==
               "2: it has 2 fields, and the header 3\n3: a quote is not closed\n");
}

BOOST_AUTO_TEST_CASE(a_digest_that_is_not_the_tokens_is_a_mistake) {
    const std::string start = R"({"member_id":"m1","client_id":"a","refresh_token":"refresh-1",)"
                              R"("application_token":"app token","application_token_sha256":")";
    BOOST_TEST(read(start + digits + "\"}") == "1: application_token_sha256 is not that of "
                                               "application_token\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_something_else_is_refused) {
    BOOST_TEST(failure("just some words\nand more\n").starts_with("it is neither JSON nor a table"));
    BOOST_TEST(read("") == "");
    BOOST_TEST(read("\n \n") == "");
}

BOOST_AUTO_TEST_SUITE_END()
