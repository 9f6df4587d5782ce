// What the worker does with events, deliveries, hooks and config.
#include "worker_scene.h"

using namespace worker_tests;

BOOST_FIXTURE_TEST_SUITE(worker, Fixture)

BOOST_AUTO_TEST_CASE(once_runs_what_is_due_and_leaves) {
    hook("ONCRMDEALUPDATE.sh", "cat >>../out; echo $BX_ID; echo warned >&2");
    bx::EventNumber first = deal("7");
    bx::EventNumber other = post("event=ONTASKADD&auth[access_token]=abcdef123");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(first) == "done");
    BOOST_TEST(state(other) == "skipped no hook takes it");
    std::vector<bx::AttemptRecord> all = attempts(first, "ONCRMDEALUPDATE");
    BOOST_REQUIRE(all.size() == 1U);
    BOOST_TEST(all[0].out.kept == "7\n");
    BOOST_TEST(all[0].err.kept == "warned\n");
    BOOST_TEST(all[0].exit.value() == 0);
    BOOST_TEST(read(dir + "/out") ==
               "{\"event\":\"ONCRMDEALUPDATE\",\"data\":{\"FIELDS\":{\"ID\":\"7\"}}}\n");
    BOOST_TEST(!bx::worker_runs(store_path));
}

BOOST_AUTO_TEST_CASE(once_follows_a_lane_to_its_end_in_order) {
    configure("worker { concurrency 8 }");
    hook("any", "echo begin $BX_EVENT_NUMBER >>../order; echo end $BX_EVENT_NUMBER >>../order");
    std::string expected;
    for (int i = 0; i < 10; ++i) {
        std::string number = std::to_string(deal("7"));
        expected += "begin " + number + "\nend " + number + "\n";
    }
    BOOST_TEST(once() == 0);
    BOOST_TEST(read(dir + "/order") == expected);
}

BOOST_AUTO_TEST_CASE(it_prunes_what_has_been_kept_for_long_enough) {
    constexpr int old = 250;  // more than one transaction
    for (int i = 0; i < old; ++i) add("event=ONTASKADD");
    {
        std::vector<bx::Dispatch> verdicts;
        for (int i = 1; i <= old; ++i) verdicts.push_back({i, {}, {}, "no hook takes it"});
        store()->matching().dispatch(verdicts, bx::wall_now() - 8 * bx::day);
        bx::sqlite::Database(store_path, {}).script(
            "UPDATE event SET received_at = received_at - 8 * 86400000");
    }
    bx::EventNumber young = add("event=ONTASKADD");
    const auto count = [&] {
        bx::ListFilter all;
        all.limit = 1000;
        return store()->view().list(all).size();
    };
    BOOST_TEST(once() == 0);
    BOOST_TEST(count() == std::size_t{old + 1});  // is the clock right?
    constexpr bx::Millis before = bx::hour + bx::minute;
    store()->upkeep().watch_clock({bx::boot_name(), bx::boot_now() - before, bx::wall_now() - before});
    BOOST_TEST(once() == 0);
    BOOST_TEST(count() == 1U);
    BOOST_TEST(state(young) == "skipped no hook takes it");
}

BOOST_AUTO_TEST_CASE(once_leaves_what_is_not_due) {
    configure("", "backoff 1h attempts 5");
    hook("any", "exit 1");
    bx::EventNumber number = deal("7");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "waiting 1/5 exit 1");
}

BOOST_AUTO_TEST_CASE(a_failed_delivery_is_tried_again_until_it_is_done) {
    hook("any", "echo x >>../tries; test $(wc -l <../tries) -ge 3");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_state(number, "done");
    std::vector<bx::AttemptRecord> all = attempts(number, "any");
    BOOST_REQUIRE(all.size() == 3U);
    BOOST_TEST(all[0].exit.value() == 1);
    BOOST_TEST(all[2].exit.value() == 0);
    BOOST_TEST(all[1].started_at - all[0].ended_at.value() >= 90);
    BOOST_TEST(all[2].started_at - all[1].ended_at.value() >= 180);
}

BOOST_AUTO_TEST_CASE(dead_after_the_last_attempt_and_at_once_for_a_permanent_exit) {
    hook("ONCRMDEALUPDATE", "echo 'no such deal' >&2; exit 1");
    hook("ONTASKADD", "exit 65");
    start_and_wait();
    bx::EventNumber tried = deal("7");
    bx::EventNumber permanent = post("event=ONTASKADD");
    wait_state(permanent, "dead 1/5 exit 65");
    wait_state(tried, "dead 5/5 exit 1");
    BOOST_TEST(log().find("error worker: dead delivery=" + std::to_string(tried) +
                          "/ONCRMDEALUPDATE") != std::string::npos);
    BOOST_TEST(log().find("warning worker: stderr: no such deal delivery=") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_cannot_start_is_a_failed_attempt_with_its_reason) {
    hook("any", "exit 0");
    fs::permissions(dir + "/hooks/any", fs::perms::all);
    bx::EventNumber number = deal("7");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "waiting 1/5 unsafe permissions");
    BOOST_TEST(log().find("chmod go-w") != std::string::npos);
    fs::permissions(dir + "/hooks/any", fs::perms::owner_all);
    BOOST_TEST(wait_for([&] { return once() == 0 && state(number) == "done"; }));
}

BOOST_AUTO_TEST_CASE(an_argument_that_cannot_be_made_is_dead_at_once) {
    configure("hook h { event *\n run /bin/true\n arg \"{data.nothing}\" }");
    bx::EventNumber number = deal("7");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "dead 1/5 argument {data.nothing} is missing");
}

BOOST_AUTO_TEST_CASE(a_hook_that_is_gone_fails_and_is_tried_again) {
    configure("", "backoff 100ms attempts 50");
    hook("any", "exit 1");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_state(number, "waiting");
    fs::remove(dir + "/hooks/any");
    BOOST_TEST(wait_for(
        [&] { return state(number).find("missing: no file named any") != std::string::npos; }));
    hook("any", "exit 0");
    wait_state(number, "done");
}

BOOST_AUTO_TEST_CASE(a_script_replaced_by_delete_and_create_loses_nothing) {
    hook("any", "exit 0");
    start_and_wait();
    wait_state(deal("1"), "done");
    fs::remove(dir + "/hooks/any");
    bx::EventNumber between = deal("2");
    BOOST_REQUIRE(
        wait_for([&] { return log().find("a hook's file is gone") != std::string::npos; }));
    BOOST_TEST(state(between) == "new");
    hook("any", "exit 0");
    wait_state(between, "done");
}

BOOST_AUTO_TEST_CASE(a_script_that_is_there_before_its_event_takes_it) {
    start_and_wait();
    for (int i = 0; i < 5; ++i) {
        std::string code = "ONTEST" + std::to_string(i);
        hook(code, "exit 0");
        bx::EventNumber number = post("event=" + code);
        wait_state(number, "done");
    }
}

BOOST_AUTO_TEST_CASE(two_hooks_of_one_name_stop_the_matching_until_mended) {
    hook("any.sh", "exit 0");
    hook("any.py", "exit 0");
    start_and_wait();
    bx::EventNumber number = deal("7");
    BOOST_REQUIRE(wait_for([&] {
        std::vector<bx::WorkerRecord> shown = store()->view().status(bx::wall_now()).workers;
        return !shown.empty() && shown[0].config_error.find("two hooks are named 'any'") == 0;
    }));
    BOOST_TEST(state(number) == "new");
    fs::remove(dir + "/hooks/any.py");
    wait_state(number, "done");
}

BOOST_AUTO_TEST_CASE(config_changes_apply_by_themselves_and_a_bad_one_is_refused) {
    start_and_wait();
    BOOST_REQUIRE(wait_for([&] { return !store()->view().status(bx::wall_now()).workers.empty(); }));
    configure("hook a { event *\n run /bin/true\n timeout never }");
    BOOST_REQUIRE(wait_for([&] {
        return store()->view().status(bx::wall_now()).workers.at(0).config_error.find("hook a: timeout") !=
               std::string::npos;
    }));
    configure("hook a { event *\n run /bin/true }");
    BOOST_REQUIRE(wait_for(
        [&] { return store()->view().status(bx::wall_now()).workers.at(0).config_error.empty(); }));
    wait_state(deal("7"), "done");
}

BOOST_AUTO_TEST_CASE(a_disabled_hook_leaves_what_waits_waiting) {
    configure("", "backoff 1s attempts 5");
    hook("any", "echo x >>../tries; test $(wc -l <../tries) -ge 2");
    pid_t pid = start_and_wait();
    bx::EventNumber number = deal("7");
    wait_state(number, "waiting 1/5");
    configure("hook any { disabled yes }");
    ::kill(pid, SIGHUP);
    BOOST_REQUIRE(wait_for([&] { return log().find("config loaded") != std::string::npos; }));
    bx::EventNumber refused = deal("8");
    wait_state(refused, "skipped");
    bx::Millis due = store()->view().deliveries(number).at(0).due_at.value();
    BOOST_REQUIRE(wait_for([&] { return bx::wall_now() > due + 1500; }));
    BOOST_TEST(state(number) == "waiting 1/5 exit 1");
    configure("");
    wait_state(number, "done");
}

BOOST_AUTO_TEST_CASE(concurrency_is_kept_per_hook_and_in_all) {
    configure("worker { concurrency 3 }\nhook any.d.a { concurrency 1 }");
    for (const char* name : {"a", "b"}) {
        hook(std::string("any.d/") + name, std::string("echo +") + name +
                                               " >>../../runs; sleep 0.1; echo -" + name +
                                               " >>../../runs");
    }
    for (int i = 0; i < 8; ++i) deal(std::to_string(i));
    BOOST_TEST(once() == 0);
    // The most that ran at a time, of those whose lines end so.
    auto most = [&](const std::string& ending) {
        std::istringstream lines(read(dir + "/runs"));
        int running = 0, highest = 0;
        for (std::string line; lines >> line;) {
            if (line.ends_with(ending))
                highest = std::max(highest, running += line[0] == '+' ? 1 : -1);
        }
        return highest;
    };
    BOOST_TEST(most("") == 3);
    BOOST_TEST(most("a") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
