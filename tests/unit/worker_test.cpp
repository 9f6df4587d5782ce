// The worker, whole: a real process on a real SQLite store with real hooks.
#include "worker/worker.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/text.h"
#include "event/form.h"
#include "event/payload.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/wake.h"

namespace fs = std::filesystem;

namespace {

constexpr bx::Millis patience = 30 * bx::second;
constexpr uid_t nobody = 65534;

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// A store refuses root: as root everything here is done as nobody.
class Unprivileged {
public:
    Unprivileged() {
        if (was_root_) BOOST_REQUIRE(::setegid(nobody) == 0 && ::seteuid(nobody) == 0);
    }
    ~Unprivileged() {
        if (was_root_) (void)(::seteuid(0) + ::setegid(0));
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

    // In a child: for good, so that hooks are nobody's too.
    void settle() const {
        if (was_root_ && (::seteuid(0) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
                          ::setresuid(nobody, nobody, nobody) != 0)) {
            ::_exit(99);
        }
    }

private:
    bool was_root_ = ::geteuid() == 0;
};

struct Fixture {
    Fixture() {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        std::string name = (fs::temp_directory_path() / "worker-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        store_path = dir + "/state/queue.db";
        fs::create_directory(dir + "/hooks");
        fs::create_directory(dir + "/state");
        fs::permissions(dir + "/state", fs::perms::owner_all);
        configure("");
    }
    ~Fixture() {
        for (pid_t pid : workers) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
        if (std::uncaught_exceptions() > 0) BOOST_TEST_MESSAGE(log());
        fs::remove_all(dir);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    void configure(const std::string& more,
                   const std::string& defaults = "backoff 100ms attempts 5") {
        std::ofstream(dir + "/new.conf")
            << "store state/queue.db\nhooks_dir hooks\nportal { token abcdefgh1234 }\n"
            << "defaults { timeout 20s " << defaults << " }\n"
            << "log { file worker.log level debug }\n"
            << more << "\n";
        fs::rename(dir + "/new.conf", dir + "/bxhook.conf");
    }

    void hook(const std::string& path, const std::string& text) {
        std::string full = dir + "/hooks/" + path;
        fs::create_directories(fs::path(full).parent_path());
        std::ofstream(full + ".disabled") << "#!/bin/sh\n" << text << "\n";
        ::chmod((full + ".disabled").c_str(), 0755);
        fs::rename(full + ".disabled", full);
    }

    std::unique_ptr<bx::Store> store() const { return bx::open_store(store_path, {}); }

    bx::EventNumber add(const std::string& body) {
        bx::Tree tree = bx::decode_urlencoded(body, {});
        bx::Payload payload = bx::encode_payload(tree);
        bx::NewEvent event{bx::read_event(tree), false, bx::wall_now(), payload.body,
                           payload.secrets};
        return store()->add({&event, 1}, 1000).front().value();
    }
    bx::EventNumber post(const std::string& body) {
        bx::EventNumber number = add(body);
        bx::wake_worker(store_path);
        return number;
    }
    bx::EventNumber deal(const std::string& id) {
        return post("event=ONCRMDEALUPDATE&data[FIELDS][ID]=" + id);
    }

    // "done", "waiting 2/5 exit 1", for an event without deliveries its own state: "skipped ...".
    std::string state(bx::EventNumber number, const std::string& hook_name = "") {
        std::unique_ptr<bx::Store> open = store();
        for (const bx::DeliveryRecord& d : open->deliveries(number)) {
            if (!hook_name.empty() && d.hook != hook_name) continue;
            std::string text(name_of(d.state));
            if (d.state == bx::DeliveryState::done) return text;
            return text + " " + std::to_string(d.attempt) + "/" + std::to_string(d.max_attempts) +
                   (d.reason.empty() ? "" : " " + d.reason);
        }
        std::optional<bx::StoredEvent> event = open->event(number);
        BOOST_REQUIRE(event.has_value());
        return std::string(name_of(event->state)) +
               (event->reason.empty() ? "" : " " + event->reason);
    }

    std::vector<bx::AttemptRecord> attempts(bx::EventNumber number, const std::string& hook_name) {
        return store()->attempts(number, hook_name);
    }

    static bool wait_for(const std::function<bool()>& condition) {
        for (bx::Millis end = bx::steady_now() + patience; bx::steady_now() < end;) {
            if (condition()) return true;
            ::poll(nullptr, 0, 10);
        }
        return false;
    }
    void wait_state(bx::EventNumber number, const std::string& beginning) {
        std::string last;
        bool reached = wait_for([&] { return (last = state(number)).starts_with(beginning); });
        BOOST_REQUIRE_MESSAGE(reached, "'" << last << "' instead of '" << beginning << "'\n"
                                           << log());
    }
    void wait_file(const std::string& name, const std::string& part) {
        bool reached =
            wait_for([&] { return read(dir + "/" + name).find(part) != std::string::npos; });
        BOOST_REQUIRE_MESSAGE(reached,
                              "no '" << part << "' in " << name << ": " << read(dir + "/" + name));
    }

    // No store may be open here: SQLite's locks do not survive a fork.
    pid_t start(const bx::WorkerOptions& options = {}) {
        pid_t child = ::fork();
        BOOST_REQUIRE(child >= 0);
        if (child > 0) {
            workers.push_back(child);
            return child;
        }
        user.settle();
        int status = 98;
        try {
            bx::Log log_to("worker");
            status = bx::run_worker(dir + "/bxhook.conf", options, log_to);
        } catch (const std::exception& error) {
            std::ofstream(dir + "/worker.log", std::ios::app) << "thrown: " << error.what() << "\n";
        }
        ::_exit(status);
    }
    pid_t start_and_wait() {
        pid_t pid = start();
        BOOST_REQUIRE(
            wait_for([&] { return bx::wake_worker(store_path) == bx::WakeResult::woken; }));
        return pid;
    }
    int wait_exit(pid_t pid) {
        int status = -1;
        BOOST_REQUIRE_MESSAGE(wait_for([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }),
                              log());
        std::erase(workers, pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    int once() {
        bx::WorkerOptions options;
        options.once = true;
        return wait_exit(start(options));
    }
    void kill(pid_t pid) {
        ::kill(pid, SIGKILL);
        BOOST_TEST(wait_exit(pid) == -SIGKILL);
    }

    std::string log() const { return read(dir + "/worker.log"); }

    Unprivileged user;
    std::string dir, store_path;
    std::vector<pid_t> workers;
};

}  // namespace

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
        store()->dispatch(verdicts, bx::wall_now() - 8 * bx::day);
    }
    bx::EventNumber young = add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    BOOST_TEST(store()->list({}).size() == 1U);
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
        std::vector<bx::WorkerRecord> shown = store()->status(bx::wall_now()).workers;
        return !shown.empty() && shown[0].config_error.find("two hooks are named 'any'") == 0;
    }));
    BOOST_TEST(state(number) == "new");
    fs::remove(dir + "/hooks/any.py");
    wait_state(number, "done");
}

BOOST_AUTO_TEST_CASE(config_changes_apply_by_themselves_and_a_bad_one_is_refused) {
    start_and_wait();
    BOOST_REQUIRE(wait_for([&] { return !store()->status(bx::wall_now()).workers.empty(); }));
    configure("hook a { event *\n run /bin/true\n timeout never }");
    BOOST_REQUIRE(wait_for([&] {
        return store()->status(bx::wall_now()).workers.at(0).config_error.find("hook a: timeout") !=
               std::string::npos;
    }));
    configure("hook a { event *\n run /bin/true }");
    BOOST_REQUIRE(wait_for(
        [&] { return store()->status(bx::wall_now()).workers.at(0).config_error.empty(); }));
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
    bx::Millis due = store()->deliveries(number).at(0).due_at.value();
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
        bx::Database holder(store_path, {});
        const bx::Transaction held(holder, bx::Transaction::Kind::write);
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
    BOOST_TEST(store()->cancel({number, "any"}, true, bx::wall_now()).done);
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
    BOOST_TEST(store()->status(bx::wall_now()).workers.empty());
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
    bx::Millis due = store()->deliveries(number).front().due_at.value();
    ::poll(nullptr, 0, 2000);  // it looks once a second
    BOOST_TEST((bx::wake_worker(store_path) == bx::WakeResult::woken));
    ::kill(static_cast<pid_t>(store()->status(bx::wall_now()).workers.front().pid), SIGTERM);
    BOOST_REQUIRE(wait_for([&] { return !bx::worker_runs(store_path); }));
    BOOST_TEST(store()->deliveries(number).front().due_at.value() == due);
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
    BOOST_TEST(log().find("thrown: hook a: timeout") != std::string::npos);
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
