// How a worker lives: signals, kills, other workers, leaving.
#include "worker_scene.h"

using namespace worker_tests;

BOOST_FIXTURE_TEST_SUITE(worker, Fixture)

BOOST_AUTO_TEST_CASE(sigterm_gives_running_hooks_their_grace) {
    configure("worker { shutdown_grace 20s }");
    hook("any",
         "echo begun >>../out; while ! test -e ../go; do sleep 0.05; done; echo ended >>../out");
    pid_t pid = start_and_wait();
    bx::EventNumber number = deal("7");
    wait_file("out", "begun");
    ::kill(pid, SIGTERM);
    wait_file("worker.log", "stopping");
    bx::EventNumber later = deal("8");
    std::ofstream(dir + "/go") << "go";
    BOOST_TEST(wait_exit(pid) == 0);
    BOOST_TEST(state(number) == "done");
    BOOST_TEST(state(later) == "new");
}

BOOST_AUTO_TEST_CASE(beyond_the_grace_a_run_is_interrupted_and_does_not_count) {
    configure("worker { shutdown_grace 100ms }");
    hook("any", "echo begun >>../out; test -e ../go || exec sleep 60");
    pid_t pid = start_and_wait();
    bx::EventNumber number = deal("7");
    wait_file("out", "begun");
    ::kill(pid, SIGTERM);
    BOOST_TEST(wait_exit(pid) == 0);
    BOOST_TEST(state(number) == "waiting 1/6 the worker was shut down");
    std::ofstream(dir + "/go") << "go";
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "done");
    BOOST_TEST((attempts(number, "any").at(0).result == bx::AttemptResult::interrupted));
}

BOOST_AUTO_TEST_CASE(a_killed_workers_runs_are_ended_before_they_are_repeated) {
    hook("any",
         "echo begin >>../out; test -e ../go || { trap '' TERM; setsid sleep 60 & echo $! "
         ">../child; while :; do sleep 0.05; done; }");
    pid_t pid = start_and_wait();
    bx::EventNumber number = deal("7");
    wait_file("child", "\n");
    std::ofstream(dir + "/go") << "go";
    kill(pid);
    BOOST_TEST(state(number) == "running 1/5");
    start_and_wait();
    wait_state(number, "done");
    std::vector<bx::AttemptRecord> all = attempts(number, "any");
    BOOST_REQUIRE(all.size() == 2U);
    BOOST_TEST((all[0].result == bx::AttemptResult::lost));
    // Dead, or a zombie that is left to us.
    std::string stat = read("/proc/" + std::string(bx::trim(read(dir + "/child"))) + "/stat");
    BOOST_TEST((stat.empty() || stat.find(") Z ") != std::string::npos), stat);
}

BOOST_AUTO_TEST_CASE(a_run_whose_end_cannot_be_recorded_at_once_is_not_lost) {
    hook("any", "echo begun >>../out; until test -e ../go; do sleep 0.02; done");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_file("out", "begun");
    {
        bx::sqlite::Database holder(store_path, {});
        const bx::sqlite::Transaction held(holder, bx::sqlite::Transaction::Kind::write);
        std::ofstream(dir + "/go") << "go";
        wait_file("worker.log", "in trouble");
    }
    wait_state(number, "done");
    BOOST_TEST(attempts(number, "any").size() == 1U);
    BOOST_TEST(log().find("a run was lost") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_running_delivery_can_be_cancelled) {
    hook("any", "echo begun >>../out; exec sleep 60");
    start_and_wait();
    bx::EventNumber number = deal("7");
    wait_file("out", "begun");
    BOOST_TEST(store()->operate().cancel({number, "any"}, true, bx::wall_now()).done());
    bx::wake_worker(store_path);
    wait_state(number, "cancelled");
}

BOOST_AUTO_TEST_CASE(output_can_be_followed_while_a_hook_runs) {
    hook("any", "echo first; while ! test -e ../go; do sleep 0.05; done; echo last");
    start_and_wait();
    bx::EventNumber number = deal("7");
    BOOST_REQUIRE(wait_for([&] {
        std::vector<bx::AttemptRecord> all = attempts(number, "any");
        return !all.empty() && all[0].out.kept == "first\n";
    }));
    BOOST_TEST(state(number) == "running 1/5");
    std::ofstream(dir + "/go") << "go";
    wait_state(number, "done");
    BOOST_TEST(attempts(number, "any").at(0).out.kept == "first\nlast\n");
}

BOOST_AUTO_TEST_CASE(the_events_secrets_are_masked_in_stored_output) {
    hook("any", "cat; cat /proc/self/environ | tr '\\0' '\\n' >../env");
    bx::EventNumber number =
        post("event=X&auth[access_token]=abcdef123456&data[token]=nested-secret");
    BOOST_TEST(once() == 0);
    BOOST_TEST(
        attempts(number, "any").at(0).out.kept ==
        "{\"event\":\"X\",\"auth\":{\"access_token\":\"***\"},\"data\":{\"token\":\"***\"}}\n");
    BOOST_TEST(read(dir + "/env").find("abcdef123456") == std::string::npos);
    BOOST_TEST(read(dir + "/env").find("nested-secret") == std::string::npos);
    // All its deliveries have ended: the secrets are in no byte of the store's files either.
    for (const fs::directory_entry& file : fs::directory_iterator(dir + "/state")) {
        if (!file.is_regular_file()) continue;
        BOOST_TEST(read(file.path()).find("abcdef123456") == std::string::npos, file.path());
        BOOST_TEST(read(file.path()).find("nested-secret") == std::string::npos, file.path());
    }
}

BOOST_AUTO_TEST_CASE(a_second_worker_leaves_quietly) {
    start_and_wait();
    std::string before = log();
    BOOST_TEST(once() == 0);
    BOOST_TEST(log() == before);
    BOOST_TEST(wait_exit(start()) == 0);
    BOOST_TEST(bx::worker_runs(store_path));
}

BOOST_AUTO_TEST_CASE(a_detached_worker_leaves_when_idle_and_not_before) {
    configure("");
    hook("any", "sleep 0.5; test -e ../go");
    bx::WorkerOptions options;
    options.detached = true;
    options.idle = 300;
    bx::EventNumber number = deal("7");
    BOOST_TEST(wait_exit(start(options)) == 0);  // the process that was started is not the worker
    BOOST_REQUIRE(wait_for([&] { return bx::worker_runs(store_path); }));
    wait_state(number, "waiting 1");
    BOOST_TEST(bx::worker_runs(store_path));
    std::ofstream(dir + "/go") << "go";
    wait_state(number, "done");
    BOOST_REQUIRE(wait_for([&] { return !bx::worker_runs(store_path); }));
    BOOST_TEST((bx::wake_worker(store_path) == bx::WakeResult::no_worker));
    BOOST_TEST(store()->view().status(bx::wall_now()).workers.empty());
    ::waitpid(-1, nullptr, WNOHANG);
}

BOOST_AUTO_TEST_CASE(a_retry_hours_away_keeps_a_detached_worker) {
    configure("", "backoff 2h attempts 5");
    hook("any", "exit 1");
    bx::WorkerOptions options;
    options.detached = true;
    options.idle = 100;
    bx::EventNumber number = deal("7");
    BOOST_TEST(wait_exit(start(options)) == 0);
    wait_state(number, "waiting 1/5 exit 1");
    bx::Millis due = store()->view().deliveries(number).front().due_at.value();
    ::poll(nullptr, 0, 2000);  // it looks once a second
    BOOST_TEST((bx::wake_worker(store_path) == bx::WakeResult::woken));
    ::kill(static_cast<pid_t>(store()->view().status(bx::wall_now()).workers.front().pid), SIGTERM);
    BOOST_REQUIRE(wait_for([&] { return !bx::worker_runs(store_path); }));
    BOOST_TEST(store()->view().deliveries(number).front().due_at.value() == due);
    ::waitpid(-1, nullptr, WNOHANG);
}

// A worker that would leave at every moment, and events that come just then: each is woken for, or
// starts a worker, once, and is done without anybody calling again.
BOOST_AUTO_TEST_CASE(an_event_that_comes_while_a_worker_leaves_is_not_forgotten) {
    hook("any", "exit 0");
    bx::WorkerOptions options;
    options.detached = true;
    options.idle = 0;
    int woken = 0;
    std::vector<bx::EventNumber> numbers;
    for (int i = 0; i < 150; ++i) {
        numbers.push_back(add("event=ONCRMDEALUPDATE"));
        if (bx::wake_worker(store_path) == bx::WakeResult::woken) {
            ++woken;
        } else {
            BOOST_TEST(wait_exit(start(options)) == 0);
        }
        ::poll(nullptr, 0, i % 25);  // milliseconds: another moment of its life each time
    }
    for (bx::EventNumber number : numbers) wait_state(number, "done");
    // Told, not judged: how many meet a worker that still runs depends on the machine.
    BOOST_TEST_MESSAGE(woken << " of 150 were woken for");
    BOOST_REQUIRE(wait_for([&] { return !bx::worker_runs(store_path); }));
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
}

BOOST_AUTO_TEST_CASE(a_detached_worker_waits_for_a_bad_hook_to_be_mended) {
    configure("hook a { event *\n run /bin/true\n timeout never }");
    bx::WorkerOptions options;
    options.detached = true;
    options.idle = 300;
    bx::EventNumber number = deal("7");
    BOOST_TEST(wait_exit(start(options)) == 0);
    wait_file("worker.log", "hook a: timeout");
    BOOST_TEST(state(number) == "new");
    configure("hook a { event *\n run /bin/true }");
    wait_state(number, "done");
    BOOST_REQUIRE(wait_for([&] { return !bx::worker_runs(store_path); }));
    ::waitpid(-1, nullptr, WNOHANG);
}

BOOST_AUTO_TEST_CASE(a_plain_worker_refuses_a_bad_config) {
    configure("hook a { event *\n run /bin/true\n timeout never }");
    BOOST_TEST(wait_exit(start()) == 98);
    BOOST_TEST(log().find(": hook a: timeout") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_sleeps) {
    hook("any", "exit 0");
    pid_t pid = start_and_wait();
    wait_state(deal("7"), "done");
    auto switches = [&] {
        std::string status = read("/proc/" + std::to_string(pid) + "/status");
        std::size_t at = status.find("\nvoluntary_ctxt_switches:");
        return bx::parse_number(
                   bx::trim(status.substr(at + 25, status.find('\n', at + 1) - at - 25)))
            .value_or(-1);
    };
    bx::Millis end = bx::steady_now() + 3 * bx::second;
    std::int64_t before = switches();
    BOOST_REQUIRE(wait_for([&] { return bx::steady_now() >= end; }));
    BOOST_TEST(switches() - before < 40);
}

BOOST_AUTO_TEST_SUITE_END()
