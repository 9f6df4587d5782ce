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
    std::string said() const {
        const bx::Health health = bx::judge_health(status, config, now, bx::OwnCommands());
        std::string text;
        for (const bx::Problem& problem : health.problems) {
            text.append(name_of(problem.level)).append(" ").append(to_string(problem)) += '\n';
        }
        return text;
    }
    bool overdue() const { return bx::overdue_since(status, config, now).has_value(); }
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

BOOST_AUTO_TEST_CASE(trouble_is_an_error_whatever_is_due) {
    runs();
    status.workers[0].trouble = "no room";
    BOOST_TEST(said() == "error worker 7 on web1: in trouble: no room\n");
    status.workers.clear();
    status.worker_runs = false;
    status.once = bx::OnceRecord{now, "web1", "locked"};
    BOOST_TEST(said() == "error 'work --once' on web1: left in trouble at " + bx::iso_time(now) +
                             ": locked\n");
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
