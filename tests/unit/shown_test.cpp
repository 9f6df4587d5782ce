// Parts of what commands show: output as it comes, problems, URLs, samples, all of status.
#include <boost/test/unit_test.hpp>

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/curl.h"
#include "cli/output_follower.h"
#include "cli/problem_lines.h"
#include "cli/sample.h"
#include "report/json.h"
#include "report/status.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr Millis now = 1732152988123;  // 2024-11-21T01:36:28.123Z

Portal portal(const std::string& member_id, const std::string& domain) {
    return {member_id, domain, {"51856fefc120afa4b628cc82d3935cce"}, "portal 1", 0};
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shown)

// -- Output of a run that goes on

BOOST_AUTO_TEST_CASE(only_what_is_new_of_an_output_is_shown) {
    OutputFollower follower;
    BOOST_TEST(follower.news({"", 0}) == "");
    BOOST_TEST(follower.news({"one\n", 4}) == "one\n");
    BOOST_TEST(follower.news({"one\n", 4}) == "");
    BOOST_TEST(follower.news({"one\ntwo\n", 8}) == "two\n");
}

// The stream has more bytes than what is kept of it, though nothing was cut.
BOOST_AUTO_TEST_CASE(masked_secrets_are_no_cut) {
    OutputFollower follower;
    BOOST_TEST(follower.news({"token ***\n", 40}) == "token ***\n");
    BOOST_TEST(follower.news({"token ***\nagain ***\n", 80}) == "again ***\n");
    BOOST_TEST(follower.news({"token ***\nagain ***\n", 84}) == "");  // may become a secret
    BOOST_TEST(follower.news({"token ***\nagain ***\nsecr", 84}) == "secr");
}

BOOST_AUTO_TEST_CASE(an_output_that_was_cut_before_the_first_look_has_its_own_mark) {
    OutputFollower follower;
    BOOST_TEST(follower.news({"head [..] tail", 1000}) == "head [..] tail");
}

BOOST_AUTO_TEST_CASE(what_was_not_kept_between_two_looks_is_counted) {
    OutputFollower follower;
    follower.news({"0123456789", 10});
    BOOST_TEST(follower.news({"01234vwxyz", 30}) == "\n[15 bytes were not kept]\nvwxyz");
    // Less than the kept end is whole.
    BOOST_TEST(follower.news({"01234wxyzA", 31}) == "A");
}

// -- Problems and URLs

BOOST_AUTO_TEST_CASE(a_problem_has_its_place_and_below_it_the_command) {
    Screen screen;
    BOOST_TEST(problem_lines(screen, {Level::error, "hook crm", "not executable", "chmod u+x f"}) ==
               "error: hook crm: not executable\n    fix: chmod u+x f\n");
    BOOST_TEST(problem_lines(screen, {Level::warning, "", "odd\x1b", ""}) ==
               "warning: odd\\x1b\n");
}

BOOST_AUTO_TEST_CASE(a_long_problem_is_filled_and_its_command_is_not) {
    Screen screen;
    screen.width = 30;
    const std::string fix(60, 'x');
    const std::string text =
        problem_lines(screen, {Level::error, "place", "one two three four five six", fix});
    BOOST_TEST(has(text, "    fix: " + fix + "\n"));
    const std::string message = text.substr(0, text.find("    fix: "));
    BOOST_TEST(message.find('\n') <= 30u);
    BOOST_TEST(message.find('\n') + 1 < message.size());
}

BOOST_AUTO_TEST_CASE(a_url_is_shown_without_what_may_be_secret) {
    BOOST_TEST(url_for_people("https://a.example/bx?key=SECRET") == "https://a.example/bx");
    BOOST_TEST(url_for_people("https://user:pass@a.example/bx") == "https://a.example/bx");
    BOOST_TEST(url_for_people("https://u:p@ss@a.example") == "https://a.example");
    BOOST_TEST(url_for_people("https://a.example/b@c") == "https://a.example/b@c");
    BOOST_TEST(url_for_people("https://a.example/\x1b") == "https://a.example/\\x1b");
}

BOOST_AUTO_TEST_CASE(only_a_url_of_the_web_is_asked) {
    BOOST_CHECK_NO_THROW(check_url("http://a.example/bx?k=v"));
    for (const char* url : {"a.example", "file:///etc/passwd", "https://a b", "https://a\n", ""}) {
        BOOST_CHECK_THROW(check_url(url), UsageError);
    }
}

// -- Samples

BOOST_AUTO_TEST_CASE(a_sample_comes_from_the_portal_that_is_named_or_the_first) {
    Config config;
    BOOST_TEST(sender(config, "").domain == "");
    BOOST_CHECK_THROW(sender(config, "a.example"), Error);
    config.portals = {portal("m1", ""), portal("", "b.example")};
    BOOST_TEST(sender(config, "").member_id == "m1");
    BOOST_TEST(sender(config, "m1").member_id == "m1");
    BOOST_TEST(sender(config, "B.example").domain == "b.example");
    BOOST_CHECK_THROW(sender(config, "c.example"), Error);
    config.portals.push_back(portal("", ""));  // takes any
    BOOST_TEST(sender(config, "c.example").domain == "c.example");
}

BOOST_AUTO_TEST_CASE(a_sample_is_a_form_as_bitrix24_sends_it) {
    const std::string body =
        sample_form("oncrmdealupdate", portal("m1", "b.example"), now).encode();
    BOOST_TEST(body.starts_with("event=ONCRMDEALUPDATE&event_handler_id=655&data%5BFIELDS%5D"));
    BOOST_TEST(has(body, "&ts=1732152988&auth%5B"));
    BOOST_TEST(has(body, "&auth%5Bexpires%5D=1732156588&"));
    BOOST_TEST(has(body, "&auth%5Bdomain%5D=b.example&"));
    BOOST_TEST(has(body, "&auth%5Bmember_id%5D=m1&auth%5Buser_id%5D=1&"));
    BOOST_TEST(body.ends_with("application_token%5D=51856fefc120afa4b628cc82d3935cce"));
    FormFields form = sample_form("ONCRMDEALUPDATE", portal("", ""), now);
    for (const char* path : {"auth.access_token", "auth.user_id"}) BOOST_TEST(form.unset(path));
    BOOST_TEST(!has(form.encode(), "access_token"));
}

// -- Status

BOOST_AUTO_TEST_CASE(a_worker_is_one_line) {
    WorkerRecord worker{"web1", 7, "1.0.0", now - 2 * day, 3, "", {}, "", false};
    BOOST_TEST(summary_of(worker, now) ==
               "pid 7 on web1, version 1.0.0, started 2d ago, running 3");
    worker.trouble = "disk full";
    worker.seen_at = now - 5 * second;
    BOOST_TEST(summary_of(worker, now).ends_with("running 3, in trouble, seen 5s ago"));
}

BOOST_AUTO_TEST_CASE(a_missing_worker_is_said_with_what_starts_one) {
    StoreStatus store;
    Config config;
    BOOST_TEST(text_without_worker(store, config) == "none running (the next event starts one)");
    config.worker.auto_start = false;
    BOOST_TEST(text_without_worker(store, config) ==
               "none running (start it with systemd or cron)");
    store.worker_runs = true;
    BOOST_TEST(text_without_worker(store, config) == "starting");
    store.workers.push_back({"web1", 7, "1", now, 0, "", {}, "", false});
    BOOST_TEST(text_without_worker(store, config) == "");
}

BOOST_AUTO_TEST_CASE(counts_and_what_is_due_are_one_line_each) {
    StoreStatus store;
    store.events_new = 1;
    store.events_skipped = 2;
    store.dead = 3;
    BOOST_TEST(counts_text(event_counts(store)) == "1 new, 0 matched, 2 skipped");
    BOOST_TEST(counts_text(delivery_counts(store)) ==
               "0 waiting, 0 running, 0 done, 3 dead, 0 merged, 0 cancelled");
    BOOST_TEST(due_text(store, now) == "0");
    store.due = 4;
    store.oldest_due_at = now - 3 * minute;
    BOOST_TEST(due_text(store, now) == "4, the oldest 3m ago");
}

BOOST_AUTO_TEST_CASE(the_document_has_workers_lanes_and_hooks) {
    StatusReport report;
    report.config_path = "/x";
    report.store = StoreStatus{};
    StoreStatus& store = *report.store;
    store.workers.push_back({"web1", 7, "1.0.0", now, 2, "", now, "disk full", false});
    BlockedLane lane;
    lane.event = 1040;
    lane.hook = "crm";
    lane.facts.kind = "ONCRMDEAL";
    lane.facts.id = "6675";
    lane.reason = "exit 1";
    lane.since = now;
    lane.behind = 4;
    store.blocked.push_back(lane);
    store.hooks.push_back(
        {.hook = "crm", .waiting = 1, .running = 2, .done_1h = 9, .failed_1h = 3});
    report.disabled = {{"crm", "disabled: crm.sh.disabled"}, {"other", "disabled"}};
    store.due = 5;
    const std::string text = status_json(report);
    for (const std::string_view part :
         {R"({"ok":true,"level":"ok","problems":[],)",
          R"("workers":[{"host":"web1","pid":7,"version":"1.0.0",)"
          R"("since":"2024-11-21T01:36:28.123Z","running":2,"config_error":null,)"
          R"("trouble":"disk full","once":false,)"
          R"("seen_at":"2024-11-21T01:36:28.123Z"}],)",
          R"("blocked":[{"delivery":"1040/crm","portal":null,"kind":"ONCRMDEAL","id":"6675",)"
          R"("reason":"exit 1","since":"2024-11-21T01:36:28.123Z","behind":4}],)",
          R"("hooks":[{"hook":"crm","waiting":1,"running":2,"done_1h":9,)"
          R"("failed_1h":3,"dead_1h":0,"disabled":"disabled: crm.sh.disabled"}])",
          R"("due":5,"oldest_due_at":null,"unfinished":0,"limit":null,)"}) {
        BOOST_TEST(has(text, part), part << " in " << text);
    }
    BOOST_TEST(text.ends_with("}\n"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
