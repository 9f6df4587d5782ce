#include "hooks/invocation.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <ctime>
#include <optional>

#include "event/payload.h"
#include "form/form.h"
#include "hooks/mask.h"

namespace {

bx::Claim claim_of(const bx::Tree& tree) {
    bx::Payload payload = bx::encode_payload(tree);
    bx::Claim claim;
    claim.event.number = 1042;
    claim.event.facts = bx::read_event(tree);
    claim.event.received_at = 1795225588123;
    claim.event.body = payload.body;
    claim.event.secrets = payload.secrets;
    claim.hook = "crm-sync";
    claim.attempt = 2;
    claim.max_attempts = 12;
    claim.run = "run-7";
    return claim;
}

bx::Claim claim_of(const std::string& body) {
    return claim_of(bx::decode_urlencoded(body, {100'000, 64}));
}

bx::Hook hook_of(std::vector<std::string> args = {}) {
    bx::Hook hook;
    hook.name = "crm-sync";
    hook.program = "/srv/bx/hooks/crm-sync";
    hook.args = std::move(args);
    return hook;
}

constexpr bx::Millis started_at = 1795225590999;
const bx::Surroundings surroundings{"/home/bx", "/usr/bin/bxhook", "/srv/bx/bxhook.conf"};

bx::Invocation invocation_of(const std::string& body, std::vector<std::string> args = {}) {
    return bx::prepare_invocation(claim_of(body), hook_of(std::move(args)), surroundings, started_at);
}

std::optional<std::string> variable(const bx::Invocation& invocation, const std::string& name) {
    for (const std::string& entry : invocation.env) {
        if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
    }
    return std::nullopt;
}

// The value, or "-" when it is not set.
std::string get(const bx::Invocation& invocation, const std::string& name) {
    return variable(invocation, name).value_or("-");
}

const std::string deal =
    "event=onCrmDealUpdate&event_handler_id=201&data[FIELDS][ID]=759&data[FIELDS][STAGE_ID]=C1:NEW"
    "&ts=1736405807&auth[access_token]=s6p6eclrvim6da22&auth[expires_in]=3600"
    "&auth[domain]=some-domain.bitrix24.com&auth[member_id]=a223c6&auth[user_id]=17"
    "&auth[application_token]=51856fefc120afa4b628";

// OUTPUT, complete, with every one of SECRETS masked.
std::string mask_secrets(std::string_view output, const std::vector<std::string>& secrets) {
    bx::Masker masker(secrets);
    std::string masked = masker.add(output);
    return masked + masker.end();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(invocation)

BOOST_AUTO_TEST_CASE(stdin_is_the_whole_event_on_one_line) {
    BOOST_TEST(invocation_of("event=X&data[a][]=1&data[a][]=/&auth[access_token]=%D0%90").input ==
               "{\"event\":\"X\",\"data\":{\"a\":[\"1\",\"/"
               "\"]},\"auth\":{\"access_token\":\"\xD0\x90\"}}\n");
}

BOOST_AUTO_TEST_CASE(an_erased_events_secrets_are_absent) {
    bx::Claim claim = claim_of("event=X&auth[access_token]=abcdef&auth[user_id]=1");
    claim.event.secrets.clear();
    claim.event.secrets_erased = true;
    BOOST_TEST(bx::prepare_invocation(claim, hook_of(), surroundings, started_at).input ==
               "{\"event\":\"X\",\"auth\":{\"user_id\":\"1\"}}\n");
}

BOOST_AUTO_TEST_CASE(the_environment_says_what_the_event_carries) {
    bx::Invocation what = invocation_of(deal);
    const std::pair<const char*, const char*> expected[] = {
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"LANG", "C.UTF-8"},
        {"BX_EVENT", "ONCRMDEALUPDATE"},
        {"BX_ID", "759"},
        {"BX_PORTAL", "some-domain.bitrix24.com"},
        {"BX_MEMBER_ID", "a223c6"},
        {"BX_USER_ID", "17"},
        {"BX_EVENT_HANDLER_ID", "201"},
        {"BX_TS", "1736405807"},
        {"BX_EVENT_NUMBER", "1042"},
        {"BX_HOOK", "crm-sync"},
        {"BX_ATTEMPT", "2"},
        {"BX_MAX_ATTEMPTS", "12"},
        {"BX_RECEIVED_AT", "2026-11-21T01:46:28.123Z"},
        {"BX_DEADLINE", "1795225650"},
        {"BX_TOKEN_EXPIRES_AT", "2025-01-09T07:56:47.000Z"},
        {"BX_ORIGIN", "post"},
        {"BX_RUN", "run-7"},
        {"BX_DATA_FIELDS_ID", "759"},
        {"BX_DATA_FIELDS_STAGE_ID", "C1:NEW"},
        {"BX_TRUNCATED", "-"},
        {"BX_TEST", "-"},
    };
    for (const auto& [name, value] : expected) BOOST_TEST(get(what, name) == value, name);
    BOOST_TEST(get(what, "HOME") == "/home/bx");
    BOOST_TEST(get(what, "BXHOOK") == "/usr/bin/bxhook");
    BOOST_TEST(get(what, "BXHOOK_CONFIG") == "/srv/bx/bxhook.conf");
    for (const std::string& entry : what.env) {
        BOOST_TEST(entry.find("s6p6") == std::string::npos);
        BOOST_TEST(entry.find("51856") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(what_the_event_lacks_is_not_set) {
    bx::Invocation what = invocation_of("event=X");
    for (const char* name :
         {"BX_ID", "BX_PORTAL", "BX_MEMBER_ID", "BX_USER_ID", "BX_EVENT_HANDLER_ID", "BX_TS",
          "BX_TOKEN_EXPIRES_AT", "BX_TRUNCATED"}) {
        BOOST_TEST(get(what, name) == "-", name);
    }
}

BOOST_AUTO_TEST_CASE(the_tokens_end_comes_from_expires_or_from_ts_and_expires_in) {
    const std::pair<const char*, const char*> cases[] = {
        {"auth[expires]=1727022526", "2024-09-22T16:28:46.000Z"},
        {"auth[expires]=1727022526&ts=1&auth[expires_in]=2", "2024-09-22T16:28:46.000Z"},
        {"ts=1727018926&auth[expires_in]=3600", "2024-09-22T16:28:46.000Z"},
        {"auth[expires_in]=3600", "-"},
        {"auth[expires]=soon", "-"},
        {"auth[expires]=9223372036854775807", "-"},
        {"ts=9223372036854775807&auth[expires_in]=9223372036854775807", "-"},
    };
    for (const auto& [body, expected] : cases) {
        BOOST_TEST(
            get(invocation_of(std::string("event=X&") + body), "BX_TOKEN_EXPIRES_AT") == expected,
            body);
    }
}

BOOST_AUTO_TEST_CASE(a_test_event_is_marked) {
    bx::Claim claim = claim_of("event=X");
    claim.event.origin = bx::Origin::test;
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_TEST") == "1");
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_ORIGIN") == "test");
    claim.event.origin = bx::Origin::self;
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_TEST") == "-");
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_ORIGIN") == "self");
    claim.by_hand = true;
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_TEST") == "1");
    BOOST_TEST(get(bx::prepare_invocation(claim, hook_of(), surroundings, started_at), "BX_ORIGIN") == "self");
}

BOOST_AUTO_TEST_CASE(a_hooks_env_may_replace_ours_but_not_set_bx) {
    bx::Hook hook = hook_of();
    hook.settings.env = {
        {"PATH", "/opt"}, {"API_URL", "https://erp.example"}, {"BX_EVENT", "evil"},
        {"BXHOOK_CONFIG", "/srv/other.conf"}};
    bx::Invocation what = bx::prepare_invocation(claim_of("event=X"), hook, surroundings, started_at);
    BOOST_TEST(get(what, "PATH") == "/opt");
    BOOST_TEST(get(what, "BXHOOK_CONFIG") == "/srv/other.conf");
    BOOST_TEST(get(what, "API_URL") == "https://erp.example");
    BOOST_TEST(get(what, "BX_EVENT") == "X");
    auto is_path = [](const std::string& entry) { return entry.starts_with("PATH="); };
    BOOST_TEST(std::ranges::count_if(what.env, is_path) == 1);
}

BOOST_AUTO_TEST_CASE(a_variable_that_env_replaces_keeps_its_place) {
    const char* zone = std::getenv("TZ");
    const std::string before = zone ? zone : "";
    bx::Hook hook = hook_of();
    hook.settings.env = {{"A", "1"}, {"TZ", "Asia/Omsk"}, {"HOME", "/srv"}, {"B", "2"}};
    ::unsetenv("TZ");
    const bx::Invocation without = bx::prepare_invocation(claim_of("event=X"), hook, surroundings, started_at);
    ::setenv("TZ", "Europe/Minsk", 1);
    const bx::Invocation with = bx::prepare_invocation(claim_of("event=X"), hook, surroundings, started_at);
    zone ? ::setenv("TZ", before.c_str(), 1) : ::unsetenv("TZ");
    const auto first = [](const bx::Invocation& what) {
        std::string text;
        for (int i = 0; i < 10; ++i) text += what.env.at(static_cast<std::size_t>(i)) + '\n';
        return text;
    };
    const std::string general = "BX_RUN=run-7\nPATH=" + std::string(bx::search_path) +
                                "\nHOME=/srv\nLANG=C.UTF-8\nBXHOOK=/usr/bin/bxhook\n"
                                "BXHOOK_CONFIG=/srv/bx/bxhook.conf\n";
    BOOST_TEST(first(without) == general + "A=1\nTZ=Asia/Omsk\nB=2\nBX_EVENT=X\n");
    BOOST_TEST(first(with) == general + "TZ=Asia/Omsk\nA=1\nB=2\nBX_EVENT=X\n");
}

BOOST_AUTO_TEST_CASE(the_secret_to_sign_with_is_masked_as_the_events_are) {
    bx::Hook hook = hook_of();
    hook.settings.env = {{"FORWARD_SECRET", "whsec_0123456789abcdef"}, {"OTHER", "not-a-secret"}};
    const bx::Invocation what = bx::prepare_invocation(
        claim_of("event=X&auth[access_token]=abcdef"), hook, surroundings, 0);
    BOOST_TEST(mask_secrets("whsec_0123456789abcdef 0123456789abcdef abcdef not-a-secret",
                            what.secrets) == "*** *** *** not-a-secret");
    BOOST_TEST(get(what, "FORWARD_SECRET") == "whsec_0123456789abcdef");
}

BOOST_AUTO_TEST_CASE(data_names_hold_letters_digits_and_underscores_only) {
    bx::Invocation what =
        invocation_of("event=X&data[a-b][%C3%A9][]=1&data[x][TOKEN]=secretvalue&data[n]=");
    BOOST_TEST(get(what, "BX_DATA_A_B____0") == "1");
    BOOST_TEST(get(what, "BX_DATA_N") == "");
    BOOST_TEST(get(what, "BX_DATA_X_TOKEN") == "-");
    BOOST_TEST(get(what, "BX_TRUNCATED") == "-");
}

BOOST_AUTO_TEST_CASE(properties_of_robots_and_sms_are_variables) {
    const std::string properties = "&properties[comment]=two+words&properties[users][]=user_1"
                                   "&properties[token]=secret&properties[a-b]=1&properties[a_b]=2";
    const bx::Invocation robot =
        invocation_of("workflow_id=w&code=r&event_token=t0ken-of-it" + properties);
    BOOST_TEST(get(robot, "BX_EVENT") == "ROBOT.R");
    BOOST_TEST(get(robot, "BX_PROPERTY_COMMENT") == "two words");
    BOOST_TEST(get(robot, "BX_PROPERTY_USERS_0") == "user_1");
    BOOST_TEST(get(robot, "BX_PROPERTY_TOKEN") == "-");
    BOOST_TEST(get(robot, "BX_PROPERTY_A_B") == "1");
    BOOST_TEST(get(robot, "BX_TRUNCATED") == "1");
    const bx::Invocation sms = invocation_of("type=SMS&message_id=1&code=c" + properties);
    BOOST_TEST(get(sms, "BX_PROPERTY_COMMENT") == "two words");
    BOOST_TEST(get(invocation_of(deal + properties), "BX_PROPERTY_COMMENT") == "-");
    const bx::Invocation none = invocation_of("workflow_id=w&code=r&event_token=t&properties=1");
    BOOST_TEST(get(none, "BX_TRUNCATED") == "-");
}

BOOST_AUTO_TEST_CASE(all_below_cashbox_params_is_masked_and_no_argument) {
    const std::string body = "event=X&data[cashbox_params][AUTH][PASSWORD]=operator-password"
                             "&data[botToken]=token-of-a-bot";
    const bx::Invocation what = invocation_of(body);
    BOOST_TEST(mask_secrets("operator-password token-of-a-bot", what.secrets) == "*** ***");
    BOOST_TEST(get(what, "BX_DATA_CASHBOX_PARAMS_AUTH_PASSWORD") == "-");
    BOOST_TEST(invocation_of(body, {"{data.cashbox_params.AUTH.PASSWORD}"}).refusal ==
               "argument {data.cashbox_params.AUTH.PASSWORD} is secret");
    BOOST_TEST(bx::argument_problems("{cashbox_params.AUTH.LOGIN}").size() == 1u);
}

BOOST_AUTO_TEST_CASE(values_with_shell_metacharacters_stay_data) {
    bx::Invocation what =
        invocation_of("event=X&data[a]=%28%29+%7B+%3A%3B%7D%3B+echo+%24%28id%29%0A%27%22%60id%60");
    BOOST_TEST(get(what, "BX_DATA_A") == "() { :;}; echo $(id)\n'\"`id`");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_left_out_and_said) {
    const std::string kb32(32768, 'x');
    BOOST_TEST(get(invocation_of("event=X&data[a]=" + kb32), "BX_DATA_A") == kb32);
    BOOST_TEST(get(invocation_of("event=X&data[a]=" + kb32), "BX_TRUNCATED") == "-");
    bx::Invocation over = invocation_of("event=X&data[a]=" + kb32 + "y&data[b]=1&data[c]=%00");
    BOOST_TEST(get(over, "BX_DATA_A") == "-");
    BOOST_TEST(get(over, "BX_DATA_B") == "1");
    BOOST_TEST(get(over, "BX_DATA_C") == "-");
    BOOST_TEST(get(over, "BX_TRUNCATED") == "1");
    bx::Invocation twice = invocation_of("event=X&data[a-b]=1&data[a_b]=2");
    BOOST_TEST(get(twice, "BX_DATA_A_B") == "1");
    BOOST_TEST(get(twice, "BX_TRUNCATED") == "1");
}

BOOST_AUTO_TEST_CASE(all_data_together_is_bounded_in_order) {
    std::string body = "event=X";
    for (int i = 0; i < 6; ++i)
        body += "&data[" + std::to_string(i) + "]=" + std::string(30000, 'x');
    bx::Invocation what = invocation_of(body + "&data[small]=1");
    std::size_t size = 0;
    for (const std::string& entry : what.env) {
        if (entry.starts_with("BX_DATA_")) size += entry.size() + 1;
    }
    BOOST_TEST(size <= 131072U);
    BOOST_TEST(get(what, "BX_DATA_3").size() == 30000U);
    BOOST_TEST(get(what, "BX_DATA_4") == "-");
    BOOST_TEST(get(what, "BX_DATA_SMALL") == "1");
    BOOST_TEST(get(what, "BX_TRUNCATED") == "1");
}

BOOST_AUTO_TEST_CASE(a_name_of_a_megabyte_is_left_out) {
    bx::Invocation what = invocation_of("event=X&data[" + std::string(1'000'000, 'k') + "]=1");
    BOOST_TEST(get(what, "BX_TRUNCATED") == "1");
}

BOOST_AUTO_TEST_CASE(a_name_of_a_megabyte_shared_by_a_thousand_fields_costs_nothing) {
    const std::string json = "{\"event\":\"X\",\"data\":{\"" + std::string(900'000, 'k') + "\":{";
    std::string fields = "\"f0\":1";
    for (int i = 1; i < 990; ++i) fields += ",\"f" + std::to_string(i) + "\":1";
    bx::Claim claim = claim_of(bx::decode_json(json + fields + "}}}", {}));
    const std::clock_t begin = std::clock();
    bx::Invocation what = bx::prepare_invocation(claim, hook_of(), surroundings, started_at);
    BOOST_TEST(double(std::clock() - begin) / CLOCKS_PER_SEC < 1.0);  // seconds of CPU
    BOOST_TEST(get(what, "BX_TRUNCATED") == "1");
}

BOOST_AUTO_TEST_CASE(arguments_take_their_values_from_the_event) {
    bx::Invocation what = invocation_of(
        deal, {"--id", "{data.FIELDS.ID}", "{event}:{data.FIELDS.STAGE_ID}", "{{x}", "a{{{ts}"});
    BOOST_TEST(what.refusal == "");
    const std::vector<std::string> expected = {"/srv/bx/hooks/crm-sync", "--id", "759",
                                               "onCrmDealUpdate:C1:NEW", "{x}", "a{1736405807"};
    BOOST_TEST(what.argv == expected, boost::test_tools::per_element());
    BOOST_TEST(what.dir == "/srv/bx/hooks");
}

BOOST_AUTO_TEST_CASE(an_argument_that_cannot_be_made_kills_the_delivery) {
    const std::pair<const char*, const char*> cases[] = {
        {"{data.nothing}", "argument {data.nothing} is missing"},
        {"{data}", "argument {data} is an array"},
        {"{auth.access_token}", "argument {auth.access_token} is secret"},
        {"{data.long}", "argument {data.long} is over 64 KB"},
        {"{data.nul}", "argument {data.nul} holds NUL"},
        {"{data.ok", "argument '{data.ok' has a brace that is not closed ({{ is a brace)"},
        {"{data.ok}", ""},
    };
    const std::string body =
        "event=X&data[ok]=1&data[nul]=a%00b&auth[access_token]=abcdef&data[long]=" +
        std::string(65537, 'x');
    for (const auto& [arg, refusal] : cases)
        BOOST_TEST(invocation_of(body, {arg}).refusal == refusal, arg);
}

BOOST_AUTO_TEST_CASE(an_argument_that_no_event_can_give_is_seen_beforehand) {
    struct {
        const char* text;
        bx::Level level;
        const char* message;
    } const cases[] = {
        {"{BX_ID}", bx::Level::error,
         "argument {BX_ID} is a variable of the hook's environment, not a path in the event"},
        {"x{data.A}{bx_event}", bx::Level::error, "argument {bx_event} is a variable"},
        {"{auth.access_token}", bx::Level::error, "argument {auth.access_token} is secret"},
        {"{data.A", bx::Level::error, "argument '{data.A' has a brace that is not closed"},
        {"{FIELDS.ID}", bx::Level::warning, "argument {FIELDS.ID} is in no event"},
    };
    for (const auto& [text, level, message] : cases) {
        const std::vector<bx::Problem> problems = bx::argument_problems(text);
        BOOST_REQUIRE_MESSAGE(problems.size() == 1, text);
        BOOST_TEST((problems[0].level == level));
        BOOST_TEST(problems[0].message.starts_with(message), problems[0].message);
    }
    for (const char* text : {"", "--id", "{data.FIELDS.ID}", "{event}:{auth.user_id}", "{{BX_ID}"}) {
        BOOST_TEST(bx::argument_problems(text).empty(), text);
    }
}

BOOST_AUTO_TEST_CASE(secrets_at_any_depth_are_masked) {
    bx::Invocation what = invocation_of(
        "event=X&data[a][b][Client_Secret]=deep-secret&auth[refresh_token]=short&auth[token]=q%"
        "22uoted");
    BOOST_TEST(mask_secrets("x deep-secret y short {\"token\":\"q\\\"uoted\"} q\"uoted",
                                what.secrets) == "x *** y short {\"token\":\"***\"} ***");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(mask)

BOOST_AUTO_TEST_CASE(every_occurrence_is_masked) {
    struct Case {
        const char* output;
        std::vector<std::string> secrets;
        const char* expected;
    };
    const Case cases[] = {
        {"", {"abcdef"}, ""},
        {"abcdef", {}, "abcdef"},
        {"abcdef", {"abcdef"}, "***"},
        {"abcdefabcdef", {"abcdef"}, "******"},
        {"xabcdefy", {"abcdef"}, "x***y"},
        {"abcde", {"abcde"}, "abcde"},                      // too short to be masked
        {"abcdefgh", {"abcdef", "abcdefgh"}, "***"},        // the longest wins
        {"abcdefghij", {"abcdef", "defghij"}, "***"},       // overlapping ones are one
        {"aaaaaaaaaa", {"aaaaaa"}, "***"},
        {"abcabcabcabd", {"abcabcabd"}, "abc***"},          // needs to fall back
        {"abcdef\0ghi", {"nothere"}, "abcdef"},
        {"half a secret: abcdefg", {"abcdefghij"}, "half a secret: ***"},
        {"too little: abcde", {"abcdefghij"}, "too little: abcde"},
    };
    for (const Case& c : cases)
        BOOST_TEST(mask_secrets(c.output, c.secrets) == c.expected, c.output);
}

BOOST_AUTO_TEST_CASE(pieces_of_any_size_give_the_same) {
    const std::vector<std::string> secrets = {"abcdef", "defghij", "ababab", "cababac",
                                              std::string(50, 'z')};
    std::string output;
    unsigned state = 12345;
    for (int i = 0; i < 3000; ++i) {
        state = state * 1103515245 + 12345;
        unsigned pick = (state >> 16) % 12;
        output += pick < secrets.size() ? secrets[pick].substr(0, (state >> 20) % 60)
                                        : std::string(1, "abcdz\n."[pick - 5]);
    }
    const std::string whole = mask_secrets(output, secrets);
    for (const std::string& secret : secrets) BOOST_TEST(whole.find(secret) == std::string::npos);
    for (std::size_t size : {1U, 2U, 3U, 7U, 64U, 1000U}) {
        bx::Masker masker(secrets);
        std::string pieces;
        for (std::size_t at = 0; at < output.size(); at += size)
            pieces += masker.add(std::string_view(output).substr(at, size));
        pieces += masker.end();
        BOOST_TEST((pieces == whole), "pieces of " << size);
    }
}

BOOST_AUTO_TEST_CASE(only_what_may_be_a_secret_is_held_back) {
    bx::Masker masker({"abcdef"});
    BOOST_TEST(masker.add("line\nab") == "line\n");
    BOOST_TEST(masker.add("x") == "abx");
    BOOST_TEST(masker.add("abc") == "");
    BOOST_TEST(masker.add("def!") == "***!");
}

BOOST_AUTO_TEST_CASE(time_is_linear_in_hostile_secrets) {
    // A naive search would compare 200,000 bytes at each of 1,000,000 places.
    const std::string secret = std::string(200'000, 'a') + 'b';
    const std::string output = std::string(1'000'000, 'a');
    BOOST_TEST(mask_secrets(output, {secret}).size() < output.size());
}

BOOST_AUTO_TEST_CASE(a_stream_that_stays_empty_is_no_work) {
    const std::vector<std::string> secrets(1, std::string(100'000, 'a') + 'b');
    const std::clock_t begun = std::clock();
    for (int i = 0; i < 1000; ++i) BOOST_REQUIRE(bx::Masker(secrets).end() == "");
    BOOST_TEST((std::clock() - begun) / CLOCKS_PER_SEC < 1);
    bx::Masker masker(secrets);
    masker.add("");
    BOOST_TEST(masker.add("x" + secrets[0]) == "x***");
}

BOOST_AUTO_TEST_CASE(a_thousand_secrets_cost_no_more_than_one) {
    std::vector<std::string> secrets;
    for (int i = 0; i < 1000; ++i) secrets.push_back("aaaaaaaaaaaa" + std::to_string(100'000 + i));
    const std::string output = std::string(1'000'000, 'a') + "100999 end";
    const std::clock_t begun = std::clock();
    const std::string masked = mask_secrets(output, secrets);
    BOOST_TEST((std::clock() - begun) / CLOCKS_PER_SEC < 1);
    BOOST_TEST(masked == std::string(1'000'000 - 12, 'a') + "*** end");
}

BOOST_AUTO_TEST_SUITE_END()
