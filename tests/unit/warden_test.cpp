#include "worker/warden.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <string>

#include "base/clock.h"
#include "worker/run_processes.h"

namespace {

constexpr bx::Millis patience = 20 * bx::second;

// A process of run RUN that would sleep for long.
pid_t start(const std::string& run) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const std::string variable = "BX_RUN=" + run;
    char* const environment[] = {const_cast<char*>(variable.c_str()), nullptr};
    char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("600"), nullptr};
    ::execve("/bin/sleep", arguments, environment);
    ::_exit(127);
}

// Waits until run RUN has as many processes as that.
bool has(const std::string& run, std::size_t count) {
    for (const bx::Millis end = bx::steady_now() + patience; bx::steady_now() < end; ::usleep(10'000)) {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        if (bx::processes_of(0, run).size() == count) return true;
    }
    return false;
}

int workers = 0;

struct Worker {
    // Of this one alone: the warden of a killed one looks for its runs a second longer.
    std::string name = "warden-test-" + std::to_string(::getpid()) + "-" + std::to_string(++workers);
    std::string kept = name + "-kept", over = name + "-over";
    pid_t pid = -1;

    // A process with two runs under its warden's eyes, of which it has FORGOTTEN one; it kills
    // itself, or leaves.
    void run(bool killed) {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        pid = ::fork();
        if (pid > 0) return;
        {
            bx::Warden warden;
            for (const std::string& run : {kept, over}) {
                warden.watch(run);
                warden.watch(run, start(run));
                if (!has(run, 1)) ::_exit(1);
            }
            warden.forget(over);
            if (!killed) warden.forget(kept);
            if (killed) ::kill(::getpid(), SIGKILL);
        }
        ::_exit(0);
    }
    ~Worker() {
        for (const std::string& run : {kept, over}) bx::signal_run(0, run, SIGKILL);
        has(over, 0);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(warden)

BOOST_AUTO_TEST_CASE(a_killed_workers_runs_are_ended_and_only_those) {
    Worker worker;
    worker.run(true);
    BOOST_TEST(::waitpid(worker.pid, nullptr, 0) == worker.pid);
    BOOST_TEST(has(worker.kept, 0));
    BOOST_TEST(bx::processes_of(0, worker.over).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_leaves_takes_its_warden_along_and_touches_nothing) {
    Worker worker;
    worker.run(false);
    int status = 1;
    BOOST_TEST(::waitpid(worker.pid, &status, 0) == worker.pid);
    BOOST_TEST(status == 0);
    BOOST_TEST(bx::processes_of(0, worker.kept).size() == 1U);
    BOOST_TEST(bx::processes_of(0, worker.over).size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
