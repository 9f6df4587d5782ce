// What is shown: JSON, wording, the story of an event.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "form/form.h"
#include "report/json.h"
#include "report/status.h"
#include "report/story.h"
#include "report/wording.h"

namespace bx {

namespace {

StoredEvent sample_event() {
    StoredEvent event;
    event.number = 1042;
    event.facts.code = "ONCRMDEALUPDATE";
    event.facts.kind = "ONCRMDEAL";
    event.facts.id = "6675";
    event.facts.domain = "some-domain.bitrix24.com";
    event.facts.member_id = "a223";
    event.received_at = 1732152988123;
    event.state = EventState::matched;
    return event;
}

template <typename Write>
std::string json_of(Write write) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    write(json);
    json.end_object();
    return text;
}

// LABEL: TEXT, or TEXT alone, a line each.
std::string lines_of(const std::vector<Fact>& facts) {
    std::string text;
    for (const Fact& fact : facts) {
        text += (fact.label.empty() ? "" : fact.label + ": ") + fact.text + "\n";
    }
    return text;
}

constexpr Millis now = 1732152988123 + 5 * second;

}  // namespace

BOOST_AUTO_TEST_SUITE(report)

// -- JSON: the contract's keys, always all of them

BOOST_AUTO_TEST_CASE(writes_every_key_of_a_delivery) {
    DeliveryRecord record;
    record.event = 1042;
    record.hook = "crm-sync";
    record.state = DeliveryState::waiting;
    record.reason = "exit 75";
    record.attempt = 2;
    record.max_attempts = 12;
    record.due_at = 1732152988124;
    record.blocked_by = 1040;
    BOOST_TEST(json_of([&](JsonWriter& json) { write_delivery(json, sample_event(), record); }) ==
               R"({"delivery":"1042/crm-sync","event":1042,"hook":"crm-sync",)"
               R"("code":"ONCRMDEALUPDATE","portal":"some-domain.bitrix24.com","member_id":"a223",)"
               R"("kind":"ONCRMDEAL","id":"6675","test":false,"origin":"post",)"
               R"("received_at":"2024-11-21T01:36:28.123Z","state":"waiting","reason":"exit 75",)"
               R"("retryable":null,)"
               R"("attempt":2,"max_attempts":12,"due_at":"2024-11-21T01:36:28.124Z",)"
               R"("blocked_by":"1040/crm-sync","merged_into":null,"ended_at":null})");
}

BOOST_AUTO_TEST_CASE(writes_a_skipped_event_without_a_delivery) {
    StoredEvent event = sample_event();
    event.state = EventState::skipped;
    event.reason = "no hook";
    event.facts.id.clear();
    event.facts.domain.clear();
    BOOST_TEST(json_of([&](JsonWriter& json) { write_delivery(json, event, std::nullopt); }) ==
               R"({"delivery":null,"event":1042,"hook":null,"code":"ONCRMDEALUPDATE","portal":null,)"
               R"("member_id":"a223","kind":"ONCRMDEAL","id":null,"test":false,"origin":"post",)"
               R"("received_at":"2024-11-21T01:36:28.123Z","state":"skipped","reason":"no hook",)"
               R"("retryable":false,)"
               R"("attempt":null,"max_attempts":null,"due_at":null,)"
               R"("blocked_by":null,"merged_into":null,"ended_at":null})");
}

BOOST_AUTO_TEST_CASE(writes_a_new_event_as_new) {
    StoredEvent event = sample_event();
    event.state = EventState::fresh;
    std::string text = json_of([&](JsonWriter& json) { write_delivery(json, event, std::nullopt); });
    BOOST_TEST(text.find(R"("state":"new")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(writes_every_key_of_an_attempt) {
    AttemptRecord attempt;
    attempt.attempt = 2;
    attempt.run = "r";
    attempt.result = AttemptResult::failed;
    attempt.exit = 75;
    attempt.started_at = 1732152988000;
    attempt.ended_at = 1732152988412;
    attempt.out = {"out\n", 4};
    attempt.err = {"\xFF", 100};
    BOOST_TEST(json_of([&](JsonWriter& json) { write_attempt(json, attempt); }) ==
               R"({"attempt":2,"run":"r","result":"failed","exit":75,"signal":null,"reason":null,)"
               R"("started_at":"2024-11-21T01:36:28.000Z","ended_at":"2024-11-21T01:36:28.412Z",)"
               R"("duration_ms":412,"stdout":"out\n","stderr":")" "\uFFFD" R"(",)"
               R"("stdout_bytes":4,"stderr_bytes":100})");
}

// -- Wording

BOOST_AUTO_TEST_CASE(says_what_a_delivery_waits_for) {
    DeliveryRecord record;
    record.hook = "h";
    record.due_at = 100 * second;
    BOOST_TEST(note_of(record, 85 * second) == "in 15s");
    BOOST_TEST(note_of(record, 100 * second) == "due");
    record.reason = "exit 1";
    BOOST_TEST(note_of(record, 85 * second) == "in 15s: exit 1");
    record.blocked_by = 7;
    BOOST_TEST(note_of(record, 85 * second) == "after 7/h: exit 1");
}

BOOST_AUTO_TEST_CASE(notes_the_last_line_of_what_a_failed_hook_said) {
    ListRow row{sample_event(), DeliveryRecord{}};
    row.delivery->state = DeliveryState::dead;
    row.delivery->reason = "exit 65";
    BOOST_TEST(row_note(row, now) == "exit 65");
    row.stderr_end = "one\r\nno route\x1b[2J \r\n\n";
    BOOST_TEST(row_note(row, now) == "exit 65: no route\\x1b[2J");
    row.stderr_end = " \n";
    BOOST_TEST(row_note(row, now) == "exit 65");
}

BOOST_AUTO_TEST_CASE(notes_the_exception_that_ended_php_and_not_its_stack) {
    ListRow row{sample_event(), DeliveryRecord{}};
    row.delivery->reason = "exit 255";
    const std::string stack =
        "Stack trace:\n#0 /h.php(3): a()\n#1 {main}\n  thrown in /h.php on line 2\n";
    row.stderr_end = "PHP Fatal error:  Uncaught X: an earlier one in /h.php:1\nworking\n"
                     "PHP Fatal error:  Uncaught X: no route in /h.php:2\n" + stack;
    BOOST_TEST(row_note(row, now) ==
               "exit 255: PHP Fatal error:  Uncaught X: no route in /h.php:2");
    row.stderr_end = "\r\nFatal error: Uncaught X: two\r\nlines in /h.php:2\r\n" + stack;
    BOOST_TEST(row_note(row, now) == "exit 255: Fatal error: Uncaught X: two");
    row.stderr_end = "#9 /h.php(3): a()\n" + stack;  // its beginning is not shown
    BOOST_TEST(row_note(row, now) == "exit 255: thrown in /h.php on line 2");
    row.stderr_end = "Fatal error: Uncaught X in /h.php:2\n" + stack + "gave up\n";
    BOOST_TEST(row_note(row, now) == "exit 255: gave up");
}

BOOST_AUTO_TEST_CASE(notes_the_rules_that_skipped_an_event) {
    ListRow row{sample_event(), std::nullopt};
    row.event.state = EventState::skipped;
    row.event.reason = "no hook";
    row.event.refused = {{"a", "other event (wants ONCRMLEADADD)", HookRule::event},
                         {"b", "unless auth.user_id 17", HookRule::unless}};
    BOOST_TEST(row_note(row, now) == "no hook: b: unless auth.user_id 17");
    row.event.refused.resize(1);
    BOOST_TEST(row_note(row, now) == "no hook");
    for (const char* hook : {"c", "d", "e", "f"}) row.event.refused.push_back({hook, "disabled"});
    BOOST_TEST(row_note(row, now) == "no hook: c: disabled; d: disabled; e: disabled; ...");
}

BOOST_AUTO_TEST_CASE(says_when_an_event_came_as_the_clock_here_shows_it) {
    ::setenv("TZ", "XXX-3", 1);
    ::tzset();
    const Millis noon = 1732190400000;  // 2024-11-21T12:00:00Z
    BOOST_TEST(local_time(noon) == "2024-11-21 15:00");
    BOOST_TEST(received_text(noon, noon + 59 * minute) == "59m ago");
    BOOST_TEST(received_text(noon, noon + hour) == "15:00");
    BOOST_TEST(received_text(noon, noon + day) == "2024-11-21 15:00");
    ::unsetenv("TZ");
    ::tzset();
}

BOOST_AUTO_TEST_CASE(says_why_an_attempt_failed_once) {
    AttemptRecord attempt;
    BOOST_TEST(outcome_of(attempt) == "");
    attempt.exit = 0;
    BOOST_TEST(outcome_of(attempt) == "");
    attempt.exit = 127;
    BOOST_TEST(outcome_of(attempt) == "exit 127");
    attempt.reason = "exit 127: command not found in the hook";
    BOOST_TEST(outcome_of(attempt) == "exit 127: command not found in the hook");
    attempt.exit.reset();
    attempt.signal = "SIGKILL";
    attempt.reason = "time limit";
    BOOST_TEST(outcome_of(attempt) == "SIGKILL: time limit");
}

BOOST_AUTO_TEST_CASE(says_how_far_a_delivery_and_an_attempt_are) {
    DeliveryRecord record;
    record.hook = "h";
    record.attempt = 2;
    record.max_attempts = 12;
    BOOST_TEST(progress_of(record, now) == "attempt 2 of 12");
    record.due_at = now;
    BOOST_TEST(progress_of(record, now) == "attempt 2 of 12, due");
    AttemptRecord attempt;
    attempt.started_at = now - 3 * second;
    BOOST_TEST(course_of(attempt, now) == "3s ago");
    attempt.ended_at = now - 2 * second;
    attempt.exit = 75;
    BOOST_TEST(course_of(attempt, now) == "exit 75, 3s ago, took 1000ms");
    BOOST_TEST(size_of({"abc", 3}) == "3 bytes");
    BOOST_TEST(size_of({"abc", 9}) == "9 bytes, 3 kept");
}

// -- The story of an event

BOOST_AUTO_TEST_CASE(tells_who_sent_an_event_and_what_it_is_about) {
    StoredEvent event = sample_event();
    BOOST_TEST(lines_of(facts_of(event, now)) ==
               "received: 2024-11-21T01:36:28.123Z (5s ago)\n"
               "portal: some-domain.bitrix24.com\n"
               "member_id: a223\n"
               "entity: ONCRMDEAL 6675\n");
    event.facts.id.clear();
    event.origin = bx::Origin::test;
    BOOST_TEST(lines_of(facts_of(event, now)).ends_with("entity: ONCRMDEAL, without id\n"
                                                        "test: made by bxhook trigger\n"));
}

BOOST_AUTO_TEST_CASE(tells_what_was_decided) {
    Story story{sample_event(), Tree(), {}};
    story.deliveries.push_back({});
    story.deliveries.back().record.hook = "crm-sync";
    story.event.refused.push_back({"crm-log", "unless auth.user_id 17\n"});
    story.event.refused.push_back({"other", "other event (wants ONCRMDEALADD)"});
    story.event.refused_more = 3;
    BOOST_TEST(lines_of(decision_of(story, now)) ==
               "crm-sync: matched\n"
               "crm-log: unless auth.user_id 17\\n\n"
               "other: other event (wants ONCRMDEALADD)\n"
               "3 more hooks did not match\n");
    story = {sample_event(), Tree(), {}};
    story.event.state = EventState::skipped;
    story.event.reason = "no hook";
    story.event.retryable = true;
    BOOST_TEST(lines_of(decision_of(story, now)) ==
               "reason: no hook\nit is matched again by itself, within seconds, when hooks or "
               "configuration change; 'bxhook retry 1042' does it now\n");
    BOOST_TEST(lines_of(decision_of(story, now + day)) ==
               "reason: no hook\nit is over a day old, so only 'bxhook retry 1042' matches it "
               "again\n");
    story.event = sample_event();
    story.event.state = EventState::fresh;
    BOOST_TEST(lines_of(decision_of(story, now)).starts_with("no worker has matched it yet"));
}

BOOST_AUTO_TEST_CASE(tells_why_a_delivery_died_with_attempts_left) {
    DeliveryRecord record;
    record.state = DeliveryState::dead;
    record.attempt = 1;
    record.max_attempts = 12;
    for (const char* reason : {"exit 65", "exit 77", "exit 78", "exit 100"}) {
        record.reason = reason;
        BOOST_TEST(why_given_up(record) == " (which means: do not try again)");
    }
    record.reason = "argument {data.X} is missing";
    BOOST_TEST(why_given_up(record) == "");
    record.reason = "exit 65";
    record.attempt = 12;
    BOOST_TEST(why_given_up(record) == "");
    record.attempt = 1;
    record.state = DeliveryState::waiting;  // retried
    BOOST_TEST(why_given_up(record) == "");
}

BOOST_AUTO_TEST_CASE(lists_every_value_of_a_body_with_its_path) {
    const Tree body = decode_urlencoded("event=X&data[A][B]=1&data[A][C]=&data[D][]=2", {100, 64});
    std::string text;
    for (const BodyValue& value : values_of(body)) {
        text.append(value.path).append("=").append(value.text).append(" ");
    }
    BOOST_TEST(text == "event=X data.A.B=1 data.A.C= data.D.0=2 ");
    BOOST_TEST(values_of(Tree()).empty());
}

// -- Status

BOOST_AUTO_TEST_CASE(a_warning_wants_attention_and_fails_only_the_strict) {
    StatusReport report;
    BOOST_TEST(name_of(report.verdict()) == "ok");
    report.strict = true;
    BOOST_TEST(report.is_ok());
    report.problems.push_back({Level::warning, "clock", "was set", ""});
    BOOST_TEST(name_of(report.verdict()) == "attention");
    BOOST_TEST(!report.is_ok());
    report.strict = false;
    BOOST_TEST(report.is_ok());
    report.problems.push_back({Level::error, "worker", "none is running", "bxhook work"});
    BOOST_TEST(name_of(report.verdict()) == "failing");
    BOOST_TEST(!report.is_ok());
}

BOOST_AUTO_TEST_CASE(a_problem_is_one_line_with_its_fix) {
    BOOST_TEST(problem_text({Level::warning, "clock", "was set", ""}) == "clock: was set");
    BOOST_TEST(problem_text({Level::error, "worker", "none is running", "bxhook work"}) ==
               "worker: none is running (fix: bxhook work)");
}

BOOST_AUTO_TEST_CASE(counts_are_worded) {
    BOOST_TEST(counted(1, "delivery", "deliveries") == "1 delivery");
    BOOST_TEST(counted(0, "delivery", "deliveries") == "0 deliveries");
}

BOOST_AUTO_TEST_CASE(the_level_stands_in_the_document) {
    StatusReport report;
    report.problems.push_back({Level::warning, "clock", "was set", "date"});
    const std::string_view lenient =
        R"x({"ok":true,"level":"attention","problems":["clock: was set (fix: date)"],)x";
    BOOST_TEST(status_json(report).starts_with(lenient));
    report.strict = true;
    const std::string_view strict = R"({"ok":false,"level":"attention",)";
    BOOST_TEST(status_json(report).starts_with(strict));
}

BOOST_AUTO_TEST_CASE(an_unknown_store_has_every_key_as_null) {
    StatusReport report;
    report.config_path = "/x";
    const std::string text = status_json(report);
    BOOST_TEST(text.find(R"("events":{"new":null,"matched":null,"skipped":null})") !=
               std::string::npos);
    BOOST_TEST(text.find(R"("store":{"kind":null,"place":null})") != std::string::npos);
    BOOST_TEST(text.find(R"("workers":[],)") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
