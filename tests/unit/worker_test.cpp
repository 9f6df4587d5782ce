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
    BOOST_TEST(state(other) == "skipped no matching hook");
    std::vector<bx::AttemptRecord> all = attempts(first, "ONCRMDEALUPDATE");
    BOOST_REQUIRE(all.size() == 1U);
    BOOST_TEST(all[0].out.kept == "7\n");
    BOOST_TEST(all[0].err.kept == "warned\n");
    BOOST_TEST(all[0].exit.value() == 0);
    BOOST_TEST(read(dir + "/out") ==
               "{\"event\":\"ONCRMDEALUPDATE\",\"data\":{\"FIELDS\":{\"ID\":\"7\"}}}\n");
    BOOST_TEST(!bx::worker_runs(store_path));
}

// Cron mails what it writes.
BOOST_AUTO_TEST_CASE(once_is_silent_when_there_is_nothing_to_do) {
    const auto level_info = [&](const std::string& more) {
        configure(more);
        std::string text = read(dir + "/bxhook.conf");
        text.replace(text.find("debug"), 5, "info");
        std::ofstream(dir + "/bxhook.conf") << text;
    };
    unattended = true;
    level_info("hook settings-of-no-script { timeout 1s }");
    hook("ONCRMDEALUPDAT", "exit 0");  // a warning
    BOOST_TEST(once() == 0);
    BOOST_TEST(log() == "");
    bx::EventNumber number = post("event=ONCRMDEALUPDAT");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "done");
    BOOST_TEST(log().find("info worker: done delivery=") != std::string::npos);
    BOOST_TEST(log().find("did you mean 'ONCRMDEALUPDATE'") != std::string::npos);
    BOOST_TEST(log().find("started") == std::string::npos);
    hook("any.sh", "exit 0");
    hook("any.py", "exit 0");
    BOOST_TEST(once() == 1);
    BOOST_TEST(log().find("error worker: hook any does not run problem=") != std::string::npos);
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
        for (int i = 1; i <= old; ++i) verdicts.push_back({i, {}, {}, "no matching hook"});
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
    BOOST_TEST(state(young) == "skipped no matching hook");
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

BOOST_AUTO_TEST_CASE(the_log_and_the_store_have_one_duration) {
    hook("any", "sleep 0.05");
    bx::EventNumber number = deal("7");
    BOOST_TEST(once() == 0);
    const std::vector<bx::AttemptRecord> all = attempts(number, "any");
    BOOST_REQUIRE(all.size() == 1U);
    const bx::Millis took = all[0].ended_at.value() - all[0].started_at;
    BOOST_TEST(took >= 50);
    BOOST_TEST(log().find("attempt=\"1 of 5\" ms=" + std::to_string(took) + "\n") !=
               std::string::npos, log());
}

// An outage, and the person gives the hook fewer attempts: what waits keeps its pauses.
BOOST_AUTO_TEST_CASE(attempts_configured_during_a_failure_hold_and_change_no_pause) {
    configure("", "backoff 500ms attempts 12");
    hook("any", "echo $BX_MAX_ATTEMPTS >>../most; exit 1");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_state(number, "waiting 2/12");
    configure("", "backoff 500ms attempts 4");
    wait_state(number, "dead 4/4 exit 1");
    const std::vector<bx::AttemptRecord> all = attempts(number, "any");
    BOOST_REQUIRE(all.size() == 4U);
    for (std::size_t i = 1; i < all.size(); ++i) {  // 0.5, 1, 2 s less the jitter
        BOOST_TEST(all[i].started_at - all[i - 1].ended_at.value() >= (225 << i), i);
    }
    BOOST_TEST(read(dir + "/most").starts_with("12\n"));
    BOOST_TEST(read(dir + "/most").ends_with("\n4\n"), read(dir + "/most"));
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
    BOOST_TEST(log().find("warning worker: stderr delivery=" + std::to_string(tried) +
                          "/ONCRMDEALUPDATE line=\"no such deal\"") != std::string::npos);
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

BOOST_AUTO_TEST_CASE(a_warning_about_a_file_is_logged_once_until_it_comes_again) {
    const auto count = [&] {
        std::size_t lines = 0;
        const std::string text = log();
        for (std::size_t at = 0; (at = text.find("a hook cannot run, so", at)) != std::string::npos;
             ++at) {
            ++lines;
        }
        return lines;
    };
    const std::string broken = dir + "/hooks/ONCRMDEALADD";
    hook("ONCRMDEALADD", "exit 0");
    fs::permissions(broken, fs::perms::owner_read);
    start_and_wait();
    BOOST_REQUIRE(wait_for([&] { return count() == 1; }));
    hook("ONCRMDEALUPDATE", "exit 0");  // another change of hooks_dir
    wait_state(deal("7"), "done");
    BOOST_TEST(count() == 1U, log());
    fs::permissions(broken, fs::perms::owner_all);
    wait_state(post("event=ONCRMDEALADD"), "done");
    fs::permissions(broken, fs::perms::owner_read);
    BOOST_REQUIRE(wait_for([&] { return count() == 2; }));
}

// Also one that had been claimed when its file was renamed: no attempt is spent.
BOOST_AUTO_TEST_CASE(what_waits_for_a_file_renamed_to_disabled_waits_on) {
    configure("", "backoff 50ms attempts 500 concurrency 1 order none");
    hook("any.sh", "exit 1");
    start_and_wait();
    std::vector<bx::EventNumber> numbers;
    for (int i = 0; i < 10; ++i) numbers.push_back(deal(std::to_string(i)));
    for (bx::EventNumber number : numbers) {
        BOOST_REQUIRE(wait_for([&] { return state(number).ends_with(" exit 1"); }));
    }
    const std::string path = dir + "/hooks/any.sh";
    fs::rename(path, path + ".disabled");
    bx::EventNumber skipped = deal("new");
    wait_state(skipped, "skipped no matching hook");
    BOOST_TEST(log().find("any: disabled: any.sh.disabled") != std::string::npos, log());
    BOOST_TEST(log().find("a hook cannot run any more") == std::string::npos);
    std::string before;
    for (bx::EventNumber number : numbers) {
        wait_state(number, "waiting");
        before += state(number) + "\n";
    }
    bx::Millis due = 0;
    for (bx::EventNumber number : numbers) {
        due = std::max(due, store()->view().deliveries(number).at(0).due_at.value());
    }
    BOOST_REQUIRE(wait_for([&] { return bx::wall_now() > due + 1500; }));
    std::string after;
    for (bx::EventNumber number : numbers) {
        after += state(number) + "\n";
        for (const bx::AttemptRecord& attempt : attempts(number, "any")) {
            BOOST_TEST(attempt.reason.find("missing") == std::string::npos, attempt.reason);
        }
    }
    BOOST_TEST(after == before);
    fs::rename(path + ".disabled", path);
    hook("any.sh", "exit 0");
    for (bx::EventNumber number : numbers) wait_state(number, "done");
}

BOOST_AUTO_TEST_CASE(a_script_replaced_by_delete_and_create_loses_nothing) {
    hook("any", "exit 0");
    start_and_wait();
    wait_state(deal("1"), "done");
    fs::remove(dir + "/hooks/any");
    bx::EventNumber between = deal("2");
    BOOST_REQUIRE(
        wait_for([&] { return log().find("a hook cannot run any more") != std::string::npos; }));
    BOOST_TEST(state(between) == "new");
    hook("any", "exit 0");
    wait_state(between, "done");
}

BOOST_AUTO_TEST_CASE(a_script_that_does_not_come_back_is_told) {
    hook("any", "exit 0");
    start_and_wait();
    wait_state(deal("1"), "done");
    fs::remove(dir + "/hooks/any");
    wait_state(deal("2"), "skipped no matching hook");
    wait_file("worker.log", "a hook did not come back: events are matched without it hook=any");
}

// An old file beside it that is disabled is not what the script was renamed to.
BOOST_AUTO_TEST_CASE(a_script_replaced_beside_a_disabled_one_of_its_name_loses_nothing) {
    hook("any.sh", "exit 0");
    std::ofstream(dir + "/hooks/any.php.disabled") << "#!/bin/sh\n";
    start_and_wait();
    wait_state(deal("1"), "done");
    fs::remove(dir + "/hooks/any.sh");
    bx::EventNumber between = deal("2");
    wait_file("worker.log", "a hook cannot run any more");
    BOOST_TEST(state(between) == "new");
    hook("any.sh", "exit 0");
    wait_state(between, "done");
    fs::rename(dir + "/hooks/any.sh", dir + "/hooks/any.sh.disabled");
    wait_state(deal("3"), "skipped no matching hook");
}

BOOST_AUTO_TEST_CASE(deleting_a_disabled_file_is_no_hook_that_went) {
    hook("ONCRMDEALADD", "exit 0");
    std::ofstream(dir + "/hooks/any.sh.disabled") << "#!/bin/sh\n";
    start_and_wait();
    wait_state(deal("1"), "skipped no matching hook");
    fs::remove(dir + "/hooks/any.sh.disabled");
    wait_state(deal("2"), "skipped no matching hook");
    BOOST_TEST(log().find("a hook cannot run any more") == std::string::npos, log());
}

// Some between the look for their files and their start.  They are binaries, since an interpreter
// opens its script later still.
BOOST_AUTO_TEST_CASE(files_renamed_while_their_runs_are_started_cost_no_attempt) {
    configure("worker { concurrency 60 }\n", "attempts 1");
    std::vector<std::string> paths;
    fs::create_directory(dir + "/hooks/any.d");
    for (int i = 0; i < 60; ++i) {
        paths.push_back(dir + "/hooks/any.d/h" + std::to_string(100 + i));
        fs::create_symlink("/bin/true", paths.back());
    }
    start_and_wait();
    const bx::EventNumber number = deal("1");
    BOOST_REQUIRE(wait_for([&] { return log().find("run started") != std::string::npos; }));
    for (const std::string& path : paths) fs::rename(path, path + ".disabled");
    const auto all_of = [&](const auto& fits) {
        return std::ranges::all_of(store()->view().deliveries(number), fits);
    };
    BOOST_REQUIRE(wait_for([&] {
        return all_of([](const bx::DeliveryRecord& delivery) {
            return delivery.state != bx::DeliveryState::running;
        });
    }));
    BOOST_TEST(all_of([](const bx::DeliveryRecord& delivery) {
        return delivery.state == bx::DeliveryState::done ||
               (delivery.state == bx::DeliveryState::waiting && delivery.reason.empty());
    }), log());
}

// Only what the removed one would have taken waits for it, and what must come after that.
BOOST_AUTO_TEST_CASE(a_script_that_is_removed_holds_up_no_other_hooks_events) {
    hook("ONCRMDEALUPDATE", "exit 0");
    hook("any", "echo $BX_EVENT_NUMBER >>../order");
    start_and_wait();
    wait_state(deal("1"), "done");
    fs::remove(dir + "/hooks/ONCRMDEALUPDATE");
    bx::EventNumber held = deal("2");
    bx::EventNumber behind = post("event=ONCRMDEALDELETE&data[FIELDS][ID]=2");
    bx::EventNumber free = post("event=ONCRMDEALDELETE&data[FIELDS][ID]=3");
    wait_state(free, "done");
    BOOST_TEST(state(held) == "new");
    BOOST_TEST(state(behind) == "new");
    wait_state(behind, "done");
    BOOST_TEST(state(held) == "done");
    std::ostringstream order;
    order << "1\n" << free << "\n" << held << "\n" << behind << "\n";
    BOOST_TEST(read(dir + "/order") == order.str());
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

BOOST_AUTO_TEST_CASE(two_hooks_of_one_name_wait_and_stop_nobody_else) {
    hook("any.sh", "echo $BX_EVENT_NUMBER >>../ran");
    hook("any.py", "exit 0");
    hook("ONCRMDEALUPDATE", "exit 0");
    start_and_wait();
    bx::EventNumber number = deal("7");
    BOOST_REQUIRE(wait_for([&] { return state(number, "ONCRMDEALUPDATE") == "done"; }));
    BOOST_TEST(state(number, "any") == "waiting 0/5 two hooks have this name: any.py, any.sh");
    BOOST_REQUIRE(wait_for([&] {
        std::vector<bx::WorkerRecord> shown = store()->view().status(bx::wall_now()).workers;
        return !shown.empty() && shown[0].config_error.find("two hooks are named 'any'") == 0;
    }));
    BOOST_TEST(log().find("error worker: hook any does not run problem=") != std::string::npos);
    BOOST_TEST(state(number, "any").starts_with("waiting 0/5"));
    fs::remove(dir + "/hooks/any.py");
    BOOST_REQUIRE(wait_for([&] { return state(number, "any") == "done"; }));
    BOOST_TEST(read(dir + "/ran") == std::to_string(number) + "\n");
    BOOST_TEST(log().find("info worker: hook any runs again") != std::string::npos);
    BOOST_REQUIRE(wait_for(
        [&] { return store()->view().status(bx::wall_now()).workers.at(0).config_error.empty(); }));
}

BOOST_AUTO_TEST_CASE(when_both_of_one_name_go_nothing_runs_again) {
    hook("any.sh", "exit 0");
    hook("any.py", "exit 0");
    start_and_wait();
    wait_file("worker.log", "error worker: hook any does not run problem=");
    fs::rename(dir + "/hooks", dir + "/gone");  // both at once
    wait_file("worker.log", "info worker: hook any still does not run: no file");
    BOOST_TEST(log().find("runs again") == std::string::npos, log());
}

// What waited already when the second one came.
BOOST_AUTO_TEST_CASE(a_second_hook_of_a_name_stops_what_waits_for_the_first) {
    configure("", "backoff 1s attempts 5");
    hook("any.sh", "echo x >>../tries; exit 1");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_state(number, "waiting 1/5 exit 1");
    hook("any.py", "exit 0");
    wait_file("worker.log", "hook any does not run");
    wait_state(number, "waiting");  // a run may have been under way
    const std::string before = state(number);
    const bx::Millis due = store()->view().deliveries(number).at(0).due_at.value();
    BOOST_REQUIRE(wait_for([&] { return bx::wall_now() > due + 1500; }));
    BOOST_TEST(state(number) == before);
    fs::remove(dir + "/hooks/any.sh");
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
