#include "worker/process.h"

#include <fcntl.h>
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
#include "host/detach.h"
#include "worker/run_processes.h"
#include "worker/run_table.h"

namespace fs = std::filesystem;
using bx::AttemptResult;

namespace {

constexpr bx::Millis patience = 20 * bx::second;

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// Real hooks in a directory of their own, run as the worker runs them.
struct Fixture {
    Fixture() {
        ::signal(SIGPIPE, SIG_IGN);
        // Whoever runs the tests may have left some open; the worker closes them
        // (close_inherited_descriptors).
        for (int fd = 3; fd < 1024; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        std::string name = (fs::temp_directory_path() / "process-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        run_name = "run-" + dir.substr(dir.rfind('-') + 1);
        settings.timeout = patience;
    }
    ~Fixture() {
        bx::signal_run(0, run_name, SIGKILL);
        fs::remove_all(dir);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::string script(const std::string& text, mode_t mode = 0755) {
        std::string path = dir + "/hook";
        std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
        ::chmod(path.c_str(), mode);
        return path;
    }

    bx::Invocation invocation(const std::string& text, const std::string& input = "{}\n") {
        bx::Invocation what;
        what.program = script(text);
        what.argv = {what.program};
        what.env = {"BX_RUN=" + run_name, "PATH=/usr/bin:/bin", "DIR=" + dir};
        what.dir = dir;
        what.input = input;
        return what;
    }

    bx::Run& start(const bx::Invocation& what) {
        bx::Claim claim;
        claim.event.number = 1;
        claim.hook = "h";
        claim.run = run_name;
        auto process = std::make_unique<bx::Process>(what, output_limit);
        table.add(std::make_unique<bx::Run>(claim, bx::Allowance(), settings, std::move(process),
                                            bx::steady_now()));
        return *table.all().back();
    }

    // Turns the loop until DONE or patience ends; false then.
    bool turn_until(const std::function<bool()>& done) {
        for (bx::Millis end = bx::steady_now() + patience; bx::steady_now() < end;) {
            table.reap(bx::steady_now());
            table.tick(bx::steady_now());
            if (done()) return true;
            std::vector<pollfd> set;
            table.append_to(set);
            ::poll(set.data(), set.size(), 10);
            table.handle(set.data());
        }
        return false;
    }

    bx::Finish finish() {
        std::vector<std::unique_ptr<bx::Run>> over;
        BOOST_REQUIRE(turn_until([&] { return !(over = table.take_over()).empty(); }));
        return over.front()->outcome();
    }

    bx::Finish run(const std::string& text, const std::string& input = "{}\n") {
        start(invocation(text, input));
        return finish();
    }

    // Why WHAT does not start.
    std::string refusal(const bx::Invocation& what) {
        try {
            bx::Process process(what, output_limit);
            ::waitpid(process.pid(), nullptr, 0);
            return "it started";
        } catch (const bx::Error& error) {
            return error.what();
        }
    }

    // The process whose number a hook wrote to NAME.
    pid_t pid_in(const std::string& name) {
        auto number = [&] { return bx::parse_number(bx::trim(read(dir + "/" + name))); };
        BOOST_REQUIRE(turn_until([&] { return number().has_value(); }));
        return static_cast<pid_t>(*number());
    }

    // One that is on its way out, and has given up its memory, runs nothing any more.
    bool lives(pid_t pid) {
        const std::string place = "/proc/" + std::to_string(pid);
        const std::string stat = read(place + "/stat");
        return !stat.empty() && stat.find(") Z ") == std::string::npos &&
               !read(place + "/cmdline").empty();
    }

    std::string dir;
    std::string run_name;
    std::size_t output_limit = std::size_t{64} << 10;
    bx::HookSettings settings;
    bx::RunTable table;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(process, Fixture)

BOOST_AUTO_TEST_CASE(gives_stdin_and_takes_both_outputs) {
    bx::Finish end = run("cat; echo problem >&2", "{\"event\":\"X\"}\n");
    BOOST_TEST((end.result == AttemptResult::done));
    BOOST_TEST(end.exit.value() == 0);
    BOOST_TEST(end.out.kept == "{\"event\":\"X\"}\n");
    BOOST_TEST(end.err.kept == "problem\n");
    BOOST_TEST(end.out.bytes == 14);
}

BOOST_AUTO_TEST_CASE(the_process_is_clean) {
    // What would leak: an ignored signal, a blocked one, a umask, a descriptor, a variable.
    ::umask(0077);
    ::signal(SIGUSR2, SIG_IGN);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &set, &before);
    bx::Fd leak(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ::setenv("LEAK", "1", 1);
    bx::Finish end =
        // No pipe here: the shell would hold its ends for a moment.
        run("ls -m /proc/$$/fd; "
            // By the shell itself: it blocks signals while it starts another program.
            "while read -r line; do case $line in Sig[BI]*) echo \"$line\";; esac; done "
            "</proc/$$/status; umask; pwd; "
            "env | sort | grep -vE '^(_|PWD|OLDPWD|SHLVL)='; cut -d' ' -f1,6 /proc/$$/stat");
    ::umask(0022);
    ::signal(SIGUSR2, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::unsetenv("LEAK");
    std::vector<std::string_view> lines = bx::split(bx::trim(end.out.kept), '\n');
    BOOST_REQUIRE(lines.size() == 9U);
    // dash holds its script open as 10.
    BOOST_TEST((lines[0] == "0, 1, 2, 10" || lines[0] == "0, 1, 10, 2"), lines[0]);
    BOOST_TEST(lines[1] == "SigBlk:\t0000000000000000");
    BOOST_TEST(lines[2] == "SigIgn:\t0000000000000000");
    BOOST_TEST(lines[3] == "0022");
    BOOST_TEST(lines[4] == dir);
    BOOST_TEST(lines[5] == "BX_RUN=" + run_name);
    BOOST_TEST(lines[6] == "DIR=" + dir);
    BOOST_TEST(lines[7] == "PATH=/usr/bin:/bin");
    std::vector<std::string_view> ids = bx::split(lines[8], ' ');
    BOOST_TEST(ids[0] == ids[1]);  // the leader of a session of its own
}

BOOST_AUTO_TEST_CASE(much_output_before_much_input_is_no_deadlock) {
    output_limit = std::size_t{1} << 20;
    bx::Finish end =
        run("head -c 300000 /dev/zero | tr '\\0' o; head -c 300000 /dev/zero | tr '\\0' e >&2; cat "
            "| wc -c",
            std::string(300'000, 'i'));
    BOOST_TEST((end.result == AttemptResult::done));
    BOOST_TEST(end.out.kept == std::string(300'000, 'o') + "300000\n");
    BOOST_TEST(end.err.kept == std::string(300'000, 'e'));
}

BOOST_AUTO_TEST_CASE(a_hook_that_never_reads_is_fine) {
    BOOST_TEST((run("exit 0", std::string(300'000, 'i')).result == AttemptResult::done));
    BOOST_TEST((run("exec <&-; echo here", std::string(300'000, 'i')).out.kept == "here\n"));
}

BOOST_AUTO_TEST_CASE(a_hook_that_closes_its_outputs_is_waited_for) {
    bx::Finish end = run("exec >&- 2>&-; cat >/dev/null; exit 3");
    BOOST_TEST(end.exit.value() == 3);
}

BOOST_AUTO_TEST_CASE(a_background_child_holds_nothing_up_and_is_left_alone) {
    bx::Finish end = run("echo out; sleep 60 & echo $! >child; exit 0");
    BOOST_TEST((end.result == AttemptResult::done));
    BOOST_TEST(end.out.kept == "out\n");
    pid_t child = pid_in("child");
    // It seems to have no memory for the moment in which it becomes the sleep.
    BOOST_TEST(turn_until([&] { return lives(child); }));
    ::kill(child, SIGKILL);
}

BOOST_AUTO_TEST_CASE(what_a_failed_hook_left_is_ended_before_its_run_is_over) {
    bx::Finish end = run("sleep 60 & echo $! >child; exit 1");
    BOOST_TEST((end.result == AttemptResult::failed));
    BOOST_TEST(!lives(pid_in("child")));
}

BOOST_AUTO_TEST_CASE(a_process_that_becomes_another_program_is_found) {
    start(invocation("exec \"$0\""));  // does nothing else, without end
    std::size_t found = 0;
    for (int i = 0; i < 300; ++i) found += bx::processes_of(0, run_name).size();
    BOOST_TEST(found == 300U);
}

// Each of them may yet become one of the run's, and is looked at again: one wait for all.
BOOST_AUTO_TEST_CASE(hundreds_of_processes_without_environment_hold_up_no_worker) {
    std::vector<pid_t> bare;
    for (int i = 0; i < 400; ++i) {
        bare.push_back(::fork());
        BOOST_REQUIRE(bare.back() >= 0);
        if (bare.back() > 0) continue;
        char name[] = "sleep", time[] = "60";
        char* words[] = {name, time, nullptr};
        char* none[] = {nullptr};
        ::execve("/bin/sleep", words, none);
        ::_exit(127);
    }
    bx::Millis quickest = bx::minute;  // of some: the machine may be busy
    for (int i = 0; i < 10; ++i) {
        const bx::Millis begun = bx::steady_now();
        BOOST_TEST(bx::processes_of(0, run_name).empty());
        quickest = std::min(quickest, bx::steady_now() - begun);
    }
    for (pid_t pid : bare) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    BOOST_TEST(quickest < 200);
}

BOOST_AUTO_TEST_CASE(every_exit_status_and_signal_is_told) {
    for (int status : {1, 65, 75, 126, 127, 255}) {
        bx::Finish end = run("exit " + std::to_string(status));
        BOOST_TEST(end.exit.value() == status);
        BOOST_TEST((end.result == AttemptResult::failed));
    }
    BOOST_TEST(run("no-such-command").reason == "exit 127: command not found in the hook");
    bx::Finish end = run("kill -SEGV $$");
    BOOST_TEST(!end.exit.has_value());
    BOOST_TEST(end.signal == "SIGSEGV");
    BOOST_TEST(bx::signal_name(40) == "signal 40");
}

BOOST_AUTO_TEST_CASE(the_time_limit_ends_it) {
    settings.timeout = 200;
    bx::Finish end = run("sleep 60");
    BOOST_TEST((end.result == AttemptResult::timeout));
    BOOST_TEST(end.reason == "timeout after 200ms");
    BOOST_TEST(end.signal == "SIGTERM");
}

BOOST_AUTO_TEST_CASE(a_hook_that_ends_well_on_sigterm_has_timed_out_still) {
    settings.timeout = 200;
    bx::Finish end = run("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
    BOOST_TEST((end.result == AttemptResult::timeout));
    BOOST_TEST(end.out.kept == "bye\n");
}

BOOST_AUTO_TEST_CASE(who_ignores_sigterm_is_killed_after_five_seconds) {
    settings.timeout = 200;
    bx::Millis begun = bx::steady_now();
    bx::Finish end = run("trap '' TERM; while :; do sleep 0.05; done");
    bx::Millis took = bx::steady_now() - begun;
    BOOST_TEST((end.result == AttemptResult::timeout));
    BOOST_TEST(end.signal == "SIGKILL");
    BOOST_TEST(took >= 5'200);
    BOOST_TEST(took < 8'000);
}

BOOST_AUTO_TEST_CASE(a_child_that_left_the_session_is_ended_too) {
    settings.timeout = 300;
    bx::Finish end =
        run("setsid sleep 60 & echo $! >child; setsid sh -c 'sleep 60 & echo $! >grandchild; "
            "exit'; exec sleep 60");
    BOOST_TEST((end.result == AttemptResult::timeout));
    BOOST_TEST(!lives(pid_in("child")));
    BOOST_TEST(!lives(pid_in("grandchild")));
}

BOOST_AUTO_TEST_CASE(a_child_with_an_emptied_environment_is_found_by_its_session) {
    settings.timeout = 300;
    run("env -i /bin/sleep 60 & echo $! >child; wait");
    BOOST_TEST(!lives(pid_in("child")));
}

BOOST_AUTO_TEST_CASE(a_delivery_can_be_cancelled_or_interrupted_while_it_runs) {
    for (AttemptResult why : {AttemptResult::cancelled, AttemptResult::interrupted}) {
        bx::Run& hook = start(invocation("sleep 60"));
        hook.end(why, bx::steady_now());
        hook.end(AttemptResult::timeout, bx::steady_now());  // too late to be another
        BOOST_TEST((finish().result == why));
    }
}

BOOST_AUTO_TEST_CASE(what_a_dead_worker_left_is_ended_and_lost) {
    bx::Invocation what = invocation("setsid sleep 60 & echo $! >child; exec sleep 60");
    bx::Process left(what, output_limit);
    pid_t child = pid_in("child");
    bx::Orphan orphan;
    orphan.event = 1;
    orphan.hook = "h";
    orphan.run = run_name;
    table.add(std::make_unique<bx::Run>(orphan, bx::Allowance(), settings, bx::steady_now()));
    BOOST_TEST((finish().result == AttemptResult::lost));
    BOOST_TEST(!lives(child));
    BOOST_TEST(!lives(left.pid()));
}

BOOST_AUTO_TEST_CASE(an_orphan_of_which_nothing_is_left_is_over_at_once) {
    bx::Orphan orphan;
    orphan.run = run_name;
    bx::Run run_left(orphan, bx::Allowance(), settings, bx::steady_now());
    BOOST_TEST(run_left.over());
}

BOOST_AUTO_TEST_CASE(what_cannot_start_says_why) {
    bx::Invocation what = invocation("exit 0");
    what.program = dir + "/nowhere";
    BOOST_TEST(refusal(what) == "missing");
    what.program = script("exit 0", 0644);
    BOOST_TEST(refusal(what) == "not executable");
    std::ofstream(dir + "/text") << "echo no interpreter\n";
    ::chmod((dir + "/text").c_str(), 0755);
    what.program = dir + "/text";
    BOOST_TEST(refusal(what) ==
               "bad interpreter: neither a binary nor a script that begins with #!");
    std::ofstream(dir + "/text") << "#!/no/such/thing\n";
    BOOST_TEST(refusal(what) == "bad interpreter");
    what = invocation("exit 0");
    what.dir = dir + "/nowhere";
    BOOST_TEST(refusal(what) == "cannot enter the working directory '" + dir + "/nowhere'");
    what = invocation("exit 0");
    what.argv.push_back(std::string(200'000, 'x'));
    BOOST_TEST(refusal(what) == "arguments and environment are too long (E2BIG)");
}

BOOST_AUTO_TEST_CASE(a_failed_start_leaks_no_descriptor) {
    auto open_files = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), {}); };
    bx::Invocation what = invocation("exit 0");
    what.program = dir + "/nowhere";
    auto before = open_files();
    for (int i = 0; i < 50; ++i) refusal(what);
    BOOST_TEST(open_files() == before);
    for (int i = 0; i < 20; ++i) run("exit 0");
    BOOST_TEST(open_files() == before);
}

BOOST_AUTO_TEST_CASE(secrets_are_masked_before_the_output_is_cut) {
    output_limit = 1024;
    const std::string secret = "s6p6eclrvim6da22ft9ch94ekreb52lv";
    bx::Invocation what =
        invocation("i=0; while [ $i -lt 200 ]; do printf '%s.' $S; i=$((i+1)); done; printf %s $S >&2");
    what.env.push_back("S=" + secret);
    what.secrets = {secret};
    start(what);
    bx::Finish end = finish();
    BOOST_TEST(end.out.bytes == 6600);
    BOOST_TEST(end.out.kept.size() <= 1024U);
    BOOST_TEST(end.out.kept.starts_with("***.***."));
    BOOST_TEST(end.err.kept == "***");
    // No six bytes of it anywhere, also at the cut.
    for (std::size_t i = 0; i + 6 <= secret.size(); ++i) {
        BOOST_TEST(end.out.kept.find(secret.substr(i, 6)) == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(descriptors_of_whoever_started_us_are_left_behind) {
    pid_t child = ::fork();
    if (child == 0) {
        ::close(0);
        (void)::dup2(1, 57);
        bx::close_inherited_descriptors();
        bool good = ::fcntl(57, F_GETFD) < 0 && ::fcntl(0, F_GETFD) >= 0 && ::fcntl(3, F_GETFD) < 0;
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(output)

BOOST_AUTO_TEST_CASE(all_is_kept_up_to_the_limit) {
    bx::OutputKeeper keeper(100, {});
    keeper.add(std::string(60, 'a'));
    keeper.add(std::string(40, 'b'));
    keeper.end();
    BOOST_TEST(keeper.take().kept == std::string(60, 'a') + std::string(40, 'b'));
    BOOST_TEST(keeper.take().bytes == 100);
}

BOOST_AUTO_TEST_CASE(head_and_tail_are_kept_beyond_it_and_the_cut_is_marked) {
    for (std::size_t piece : {1U, 7U, 1000U, 5000U}) {
        bx::OutputKeeper keeper(200, {});
        std::string all;
        for (int i = 0; all.size() < 5000; ++i) all += std::to_string(i) + " ";
        for (std::size_t at = 0; at < all.size(); at += piece)
            keeper.add(std::string_view(all).substr(at, piece));
        keeper.end();
        bx::Output output = keeper.take();
        std::string mark = "\n[... cut: " + std::to_string(all.size()) + " bytes in all ...]\n";
        BOOST_TEST(output.kept.size() == 200U);
        BOOST_TEST(output.bytes == static_cast<std::int64_t>(all.size()));
        BOOST_TEST(output.kept.starts_with(all.substr(0, 100) + mark));
        BOOST_TEST(output.kept.ends_with(all.substr(all.size() - (100 - mark.size()))));
    }
}

BOOST_AUTO_TEST_CASE(a_limit_of_nothing_keeps_nothing) {
    bx::OutputKeeper keeper(0, {});
    keeper.add("abc");
    keeper.end();
    BOOST_TEST(keeper.take().kept == "");
    BOOST_TEST(keeper.take().bytes == 3);
}

BOOST_AUTO_TEST_CASE(a_listener_gets_all_of_it_masked_whatever_is_kept) {
    std::string heard;
    bx::OutputKeeper keeper(10, {"hush-hush"}, [&](std::string_view piece) { heard += piece; });
    keeper.add("begin hush-");
    BOOST_TEST(heard == "begin ");
    keeper.add("hush " + std::string(500, 'x'));
    keeper.add(" hush-hus");
    keeper.end();
    BOOST_TEST(heard == "begin *** " + std::string(500, 'x') + " ***");
    BOOST_TEST(keeper.take().kept.size() == 10U);
}

BOOST_AUTO_TEST_SUITE_END()
