#include "report/health.h"

#include <boost/test/unit_test.hpp>

using bx::second;

namespace {

constexpr bx::Millis now = 1'700'000'000'000;

struct Fixture {
    Fixture() {
        config.worker.concurrency = 4;
        config.defaults.concurrency = 2;
    }
    // What is said, in a line each.
    std::string said(const bx::Known& known = {}) const {
        const bx::Health health = bx::judge_health(status, config, now, bx::OwnCommands(), known);
        std::string text;
        for (const bx::Problem& problem : health.problems) {
            text.append(name_of(problem.level)).append(" ").append(to_string(problem)) += '\n';
        }
        return text;
    }
    // The fixes of all that is said, in a line each.
    std::string fixes() const {
        std::string text;
        for (const bx::Problem& problem :
             bx::judge_health(status, config, now, bx::OwnCommands()).problems) {
            text += problem.fix + '\n';
        }
        return text;
    }
    bool overdue(const bx::Known& known = {}) const {
        return bx::overdue_since(status, config, now, known).has_value();
    }
    void runs(bool once = false) {
        status.worker_runs = true;
        status.workers.push_back({"web1", 7, "1", now, 0, "", {}, "", once});
    }
    bx::HookCounts& due(const std::string& hook, bx::Millis ago) {
        status.hooks.push_back({.hook = hook, .waiting = 1, .oldest_due_at = now - ago});
        return status.hooks.back();
    }

    bx::Config config;
    bx::StoreStatus status;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(health, Fixture)

BOOST_AUTO_TEST_CASE(nothing_to_do_is_well) {
    BOOST_TEST(said() == "");
    runs();
    BOOST_TEST(said() == "");
}

BOOST_AUTO_TEST_CASE(ten_seconds_are_allowed_whoever_runs) {
    status.oldest_new_at = now - 10 * second;
    BOOST_TEST(!overdue());
    status.oldest_new_at = now - 10 * second - 1;
    BOOST_TEST(overdue());
    runs();
    BOOST_TEST(overdue());
    status.oldest_new_at.reset();
    due("crm", 10 * second + 1);
    BOOST_TEST(bx::overdue_since(status, config, now).value() == now - 10 * second - 1);
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_slot_is_not_overdue) {
    runs();
    due("crm", bx::hour);
    status.hooks[0].running = 2;
    status.running = 2;
    BOOST_TEST(!overdue());  // the hook's concurrency
    status.hooks[0].running = 1;
    BOOST_TEST(overdue());
    status.running = 4;
    BOOST_TEST(!overdue());  // the worker's
    runs();
    BOOST_TEST(overdue());   // another worker has slots
    status.workers.clear();
    BOOST_TEST(!overdue());  // it starts, and is not known yet
    status.worker_runs = false;
    BOOST_TEST(overdue());   // what a dead worker ran takes no slot
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_disabled_hook_is_not_overdue) {
    bx::HookBlock block;
    block.name = "crm";
    block.settings.disabled = true;
    config.hooks.push_back(block);
    due("crm", bx::hour);
    BOOST_TEST(!overdue());
    runs();
    BOOST_TEST(!overdue());
}

BOOST_AUTO_TEST_CASE(where_only_once_works_ninety_seconds_are_allowed) {
    status.oldest_new_at = now - 90 * second;
    status.once = bx::OnceRecord{now - 9 * bx::minute, "web1", ""};
    BOOST_TEST(!overdue());
    status.oldest_new_at = now - 90 * second - 1;
    BOOST_TEST(overdue());
    status.oldest_new_at = now - 11 * second;
    runs(true);
    BOOST_TEST(!overdue());
    runs();
    BOOST_TEST(overdue());  // one that stays
    status.workers.clear();
    status.worker_runs = false;
    status.once->left_at = now - 10 * bx::minute;
    BOOST_TEST(overdue());  // cron has not come lately
}

BOOST_AUTO_TEST_CASE(trouble_is_a_warning_until_work_is_overdue) {
    runs();
    status.workers[0].trouble = "no room";
    BOOST_TEST(said() == "warning worker 7 on web1: in trouble: no room\n");
    status.oldest_new_at = now - bx::minute;
    BOOST_TEST(said().starts_with("error worker: one is running, but work that it could do has "
                                  "been due since " + bx::iso_time(now - bx::minute)));
    status.oldest_new_at.reset();
    status.workers.clear();
    status.worker_runs = false;
    status.once = bx::OnceRecord{now, "web1", "locked"};
    BOOST_TEST(said() == "warning 'work --once' on web1: ended in trouble at " +
                             bx::iso_time(now) + ": locked\n");
}

BOOST_AUTO_TEST_CASE(a_worker_without_configuration_is_an_error_that_is_said_once) {
    runs();
    status.workers[0].config_error = "hook a: timout: unknown key";
    const std::string error = said();
    BOOST_TEST(
        error.starts_with("error worker 7 on web1: cannot use configuration or hooks: hook a"));
    BOOST_TEST(said({{}, {"hook a: timout: unknown key"}}) == "");
    BOOST_TEST(said({{}, {"another"}}) == error);
    BOOST_TEST(said({{}, {"another"}, "web2"}) == error);
}

BOOST_AUTO_TEST_CASE(what_a_worker_here_reports_of_files_that_are_right_is_old) {
    runs();
    status.workers[0].config_error = "hook a: timout: unknown key";
    for (const bx::Millis changed : {now, now - 10 * second, now + 10 * second}) {
        BOOST_TEST(said({{}, {}, "web1", changed}) ==
                   "warning worker 7 on web1: still reports what it read before; it looks again "
                   "within seconds: hook a: timout: unknown key\n");
    }
    BOOST_TEST(said({{}, {"hook a: timout: unknown key"}, "web1", now}) == "");
}

BOOST_AUTO_TEST_CASE(what_a_worker_here_alone_cannot_read_stays_an_error) {
    runs();
    status.workers[0].config_error = "cannot read '/srv/bx/hooks': Permission denied";
    for (const bx::Millis changed : {bx::Millis{0}, now - 11 * second, now + 11 * second}) {
        BOOST_TEST(said({{}, {}, "web1", changed})
                       .starts_with("error worker 7 on web1: cannot use configuration or hooks: "));
    }
}

// The dates of the files may be others by now.
BOOST_AUTO_TEST_CASE(two_hooks_of_one_name_are_said_once) {
    runs();
    status.workers[0].config_error = "two hooks are named 'any', so neither runs: any.sh (2020) ";
    BOOST_TEST(said({{"any"}, {"two hooks are named 'any', so neither runs: any.sh (2021) "}}) ==
               "");
    BOOST_TEST(said({{"an"}, {}}).starts_with("error worker 7 on web1: "));
}

BOOST_AUTO_TEST_CASE(the_fix_of_what_a_worker_reports_names_the_place_it_is_about) {
    runs();
    config.path = "/srv/bx/bxhook.conf";
    config.hooks_dir = "/srv/bx/hooks";
    const auto fix = [&](const char* error) {
        status.workers[0].config_error = error;
        return fixes();
    };
    BOOST_TEST(fix("hook a: timout: unknown key") == "${EDITOR:-vi} /srv/bx/bxhook.conf\n");
    BOOST_TEST(fix("two hooks are named 'any', so neither runs: '/srv/bx/hooks/any.sh' and "
                   "'/srv/bx/hooks/any.py'") == "ls -l /srv/bx/hooks\n");
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_stopped_hook_is_not_overdue) {
    runs();
    due("crm", bx::hour);
    BOOST_TEST(overdue());
    BOOST_TEST(!overdue({{"crm"}, {}}));
    BOOST_TEST(overdue({{"other"}, {}}));
    BOOST_TEST(said({{"crm"}, {}}) == "");
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_slot_is_told_after_ten_seconds) {
    runs();
    runs();  // another host's: what both may run is more than the hook may
    config.defaults.concurrency = 4;
    due("crm", 10 * second);
    status.hooks[0].running = 4;
    status.running = 4;
    BOOST_TEST(said() == "");
    status.hooks[0].oldest_due_at = now - 10 * second - 1;
    BOOST_TEST(said() == "warning hook crm: deliveries have been due since " +
                             bx::iso_time(now - 10 * second - 1) +
                             ", and as many runs as it may have at a time (4) are under way: "
                             "raise its `concurrency`, or make it faster\n");
    status.workers.pop_back();
    status.hooks[0].running = 2;
    due("erp", bx::hour);
    BOOST_TEST(said() == "warning worker: concurrency: deliveries have been due since " +
                             bx::iso_time(now - bx::hour) +
                             ", and as many runs as the worker may have at a time (4) are under "
                             "way: raise its `concurrency`, or make hooks faster\n");
}

BOOST_AUTO_TEST_CASE(a_hook_that_takes_every_slot_from_others_is_named) {
    runs();
    config.defaults.concurrency = 4;
    due("crm", bx::hour).running = 4;
    status.running = 4;
    const std::string begin = "warning worker: concurrency: deliveries have been due since " +
                              bx::iso_time(now - bx::hour) +
                              ", and as many runs as the worker may have at a time (4) are under "
                              "way: ";
    BOOST_TEST(said() == begin + "raise its `concurrency`, or make hooks faster\n");
    due("erp", bx::minute);
    BOOST_TEST(said() == begin + "all are of the hook crm: give that a `concurrency` below the "
                                 "worker's, so that others run beside it, or raise the worker's\n");
    status.hooks[0].running = 3;
    status.hooks[1].running = 1;
    BOOST_TEST(said() == begin + "raise its `concurrency`, or make hooks faster\n");
}

BOOST_AUTO_TEST_CASE(a_burst_behind_a_limit_of_the_hook_itself_may_take_ten_minutes) {
    runs();
    due("crm", 10 * bx::minute);
    status.hooks[0].running = 2;
    status.running = 2;
    BOOST_TEST(said() == "");
    BOOST_TEST(!overdue());
    status.hooks[0].oldest_due_at = now - 10 * bx::minute - 1;
    BOOST_TEST(said().starts_with("warning hook crm: deliveries have been due since " +
                                  bx::iso_time(now - 10 * bx::minute - 1)));
}

BOOST_AUTO_TEST_CASE(a_blocked_lane_is_retried_and_never_cancelled) {
    bx::BlockedLane lane;
    lane.event = 7;
    lane.hook = "crm";
    lane.reason = "exit 1";
    lane.since = now - bx::hour;
    status.blocked.push_back(lane);
    BOOST_TEST(said() == "");  // it fails alone, and is tried again
    status.blocked[0].behind = 1;
    BOOST_TEST(said() == "warning 7/crm: has failed since " + bx::iso_time(now - bx::hour) +
                             " (exit 1), and 1 later delivery of the same entity waits for it "
                             "('bxhook show 7/crm' shows why); it is retried by itself; once the "
                             "hook works, this runs it now\n");
    BOOST_TEST(fixes().ends_with(" retry 7/crm\n"));
    for (int i = 0; i < 6; ++i) status.blocked.push_back(status.blocked[0]);
    BOOST_TEST(said().ends_with("warning lanes: 2 more are blocked: 'bxhook status' lists them; "
                                "once the hooks work, this runs all that wait now\n"));
    BOOST_TEST(fixes().ends_with(" retry --state waiting\n"));
}

BOOST_AUTO_TEST_CASE(a_hook_that_only_fails_is_told) {
    bx::HookCounts counts;
    counts.hook = "crm";
    counts.waiting = 2;
    counts.failed_1h = 3;
    status.hooks = {counts};
    BOOST_TEST(said() == "warning hook crm: all 3 runs of the last hour failed ('bxhook list --state "
                         "waiting --hook crm' shows why); they are retried by themselves; once the "
                         "hook works, this runs them now\n");
    BOOST_TEST(fixes().ends_with(" retry --state waiting --hook crm\n"));
    BOOST_TEST(said({.stopped = {"crm"}, .problems = {}, .read_on = {}, .changed_at = 0}) == "");  // a retry would run nothing
    status.hooks[0].failed_1h = 2;
    BOOST_TEST(said() == "");
    status.hooks[0].failed_1h = 30;
    status.hooks[0].done_1h = 1;
    BOOST_TEST(said() == "");  // now and then it works
    status.hooks[0].done_1h = 0;
    status.hooks[0].waiting = 0;
    BOOST_TEST(said() == "");  // somebody has seen to it
    status.hooks[0].waiting = 1;
    bx::BlockedLane lane;
    lane.event = 7;
    lane.hook = "crm";
    lane.behind = 1;
    status.blocked.push_back(lane);
    BOOST_TEST(said().find("all 30") == std::string::npos);  // its lane says it
}

BOOST_AUTO_TEST_CASE(what_died_in_the_last_hour_is_told_while_something_is_dead) {
    bx::HookCounts counts;
    counts.hook = "crm";
    counts.dead_1h = 2;
    status.hooks.push_back(counts);
    BOOST_TEST(said() == "");  // retried with success
    status.dead = 3;
    BOOST_TEST(said() == "");  // another hook's
    status.dead = 5;
    status.hooks[0].dead = 1;
    BOOST_TEST(said().starts_with("warning hook crm: 1 delivery died in the last hour "));
    status.hooks[0].dead = 4;
    BOOST_TEST(said().starts_with("warning hook crm: 2 deliveries died in the last hour "));
    BOOST_TEST(fixes().ends_with(" retry --state dead --hook crm\n"));
    const auto old = bx::judge_old_dead(status, bx::OwnCommands());
    BOOST_REQUIRE(old.has_value());
    BOOST_TEST(to_string(*old).starts_with("deliveries: 3 are dead: "));
    BOOST_TEST(old->fix.ends_with(" list --state dead"));
    status.dead = 2;
    BOOST_TEST(!bx::judge_old_dead(status, bx::OwnCommands()).has_value());
}

BOOST_AUTO_TEST_CASE(the_log_is_shown_where_it_is) {
    config.store = bx::StorePlace::of("/srv/bx/state/queue.db");
    BOOST_TEST(bx::show_log_command(config) == "tail -n 50 /srv/bx/state/bxhook.log");
    config.log.file = "/var/log/b x.log";
    BOOST_TEST(bx::show_log_command(config) == "tail -n 50 '/var/log/b x.log'");
    config.log.file.clear();
    config.worker.auto_start = false;
    BOOST_TEST(bx::show_log_command(config) == "look into the worker's log");
}

BOOST_AUTO_TEST_CASE(a_large_step_of_the_clock_is_told_for_an_hour) {
    status.clocks = {{"a", 0, now - bx::hour + 1, -91 * bx::day}};
    BOOST_TEST(said().starts_with("warning clock: was set by -91d"));
    status.clocks[0].wall = now - bx::hour;
    BOOST_TEST(said() == "");
    status.clocks = {{"a", 0, now, bx::hour}};
    BOOST_TEST(said() == "");
}

BOOST_AUTO_TEST_SUITE_END()
