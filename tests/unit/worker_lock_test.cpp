// Between the processes of one store: the worker lock, waking it, starting it.
//
// start_worker() runs this very program as `work --detach --config PATH`: the report at the end of
// this file then answers for the worker.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "host/worker_lock.h"
#include "host/worker_start.h"
#include "store_scene.h"

using bx::WakeResult;
using bx::WorkerLock;
using store_tests::Scratch;

namespace {

bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

std::vector<std::string> lines_of(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

// An environment variable for the length of a test.
class Variable {
public:
    Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    ~Variable() { ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(wake)

BOOST_AUTO_TEST_CASE(one_lock_is_held_once) {
    Scratch dir;
    const std::string store = dir / "q";
    BOOST_TEST(!bx::worker_runs(store));
    {
        const WorkerLock first(store, 0);
        BOOST_TEST(first.held());
        BOOST_TEST(bx::worker_runs(store));
        BOOST_TEST(!WorkerLock(store, 0).held());
        BOOST_TEST(mode_of(store + ".lock") == 0600U);
    }
    BOOST_TEST(!bx::worker_runs(store));
    BOOST_TEST(WorkerLock(store, 0).held());
}

BOOST_AUTO_TEST_CASE(a_leaving_worker_is_waited_for) {
    Scratch dir;
    const std::string store = dir / "q";
    auto leaving = std::make_unique<WorkerLock>(store, 0);
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        leaving.reset();
    });
    const bx::Millis began = bx::steady_now();
    const WorkerLock lock(store, 5000);
    BOOST_TEST(lock.held());
    BOOST_TEST(bx::steady_now() - began < 4000);
    later.join();
}

BOOST_AUTO_TEST_CASE(asking_whether_a_worker_runs_takes_nobodys_seat) {
    Scratch dir;
    const std::string store = dir / "q";
    { const WorkerLock makes_the_file(store, 0); }
    const bx::Fd asking(::open((store + ".lock").c_str(), O_RDONLY | O_CLOEXEC));
    BOOST_REQUIRE(::flock(asking.get(), LOCK_SH) == 0);  // in the middle of its question
    BOOST_TEST(!bx::worker_runs(store));
    std::thread answered([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ::flock(asking.get(), LOCK_UN);
    });
    BOOST_TEST(WorkerLock(store, 0).held());
    answered.join();
}

BOOST_AUTO_TEST_CASE(a_worker_is_woken_only_while_it_listens) {
    Scratch dir;
    const std::string store = dir / "q";
    BOOST_TEST((bx::wake_worker(store) == WakeResult::no_worker));
    WorkerLock lock(store, 0);
    BOOST_TEST((bx::wake_worker(store) == WakeResult::no_worker));
    lock.open_wake();
    BOOST_TEST(mode_of(store + ".wake") == 0600U);
    BOOST_TEST(!readable(lock.wake_fd()));
    BOOST_TEST((bx::wake_worker(store) == WakeResult::woken));
    BOOST_TEST(readable(lock.wake_fd()));
    lock.drain();
    BOOST_TEST(!readable(lock.wake_fd()));  // also not as ended, now that no writer is left
    lock.close_wake();
    BOOST_TEST(lock.wake_fd() == -1);
    BOOST_TEST((bx::wake_worker(store) == WakeResult::no_worker));
    lock.open_wake();
    BOOST_TEST(!readable(lock.wake_fd()));
    BOOST_TEST((bx::wake_worker(store) == WakeResult::woken));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_called_too_often_is_still_woken) {
    Scratch dir;
    WorkerLock lock(dir / "q", 0);
    lock.open_wake();
    for (int i = 0; i < 70'000; ++i) {  // a pipe holds 64 KB
        if (bx::wake_worker(dir / "q") != WakeResult::woken) BOOST_FAIL("not woken at " << i);
    }
    lock.drain();
    BOOST_TEST(!readable(lock.wake_fd()));
}

BOOST_AUTO_TEST_CASE(only_a_fifo_is_written_to) {
    Scratch dir;
    const std::string store = dir / "q";
    std::ofstream(store + ".wake") << "precious";
    BOOST_TEST((bx::wake_worker(store) == WakeResult::no_worker));
    WorkerLock lock(store, 0);
    BOOST_CHECK_THROW(lock.open_wake(), bx::Error);
    BOOST_TEST(lines_of(store + ".wake").at(0) == "precious");
    std::filesystem::remove(store + ".wake");
    std::filesystem::create_symlink("/dev/null", store + ".wake");
    BOOST_TEST((bx::wake_worker(store) == WakeResult::no_worker));
    BOOST_CHECK_THROW(lock.open_wake(), bx::Error);
}

BOOST_AUTO_TEST_CASE(a_lock_that_cannot_be_made_is_an_error) {
    Scratch dir;
    BOOST_CHECK_THROW(WorkerLock(dir / "none/q", 0), bx::Error);
}

// -- Starting.  The report lists what the started process found, one "word value" a line.

BOOST_AUTO_TEST_CASE(a_worker_starts_clean) {
    Scratch dir;
    const Variable gateway("GATEWAY_INTERFACE", "CGI/1.1");
    const Variable method("REQUEST_METHOD", "POST");
    const Variable header("HTTP_PROXY", "x");
    const Variable zone("TZ", "Asia/Almaty");
    // What curl looks at when Bitrix24 is asked.
    const Variable proxy("https_proxy", "http://proxy.example:3128");
    const Variable certificates("SSL_CERT_FILE", "/etc/certificates.pem");
    const int leaked = ::dup(2);  // as web servers leave theirs: without CLOEXEC
    sigset_t usr1;
    sigset_t before;
    ::sigemptyset(&usr1);
    ::sigaddset(&usr1, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &usr1, &before);
    const auto pipe_before = ::signal(SIGPIPE, SIG_IGN);
    bx::start_worker(dir / "report");
    ::signal(SIGPIPE, pipe_before);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(leaked);

    std::vector<std::string> env;
    std::vector<std::string> fds;
    for (const std::string& line : lines_of(dir / "report")) {
        if (line.starts_with("env ")) env.push_back(line.substr(4, line.find('=') - 4));
        if (line.starts_with("fd ")) fds.push_back(line.substr(3));
        if (line.starts_with("SigBlk") || line.starts_with("SigIgn")) {
            BOOST_TEST(std::stoull(line.substr(8), nullptr, 16) == 0U, line);
        }
    }
    std::ranges::sort(env);
    for (const std::string& name : env) {
        const bool is_curls = name.ends_with("_proxy") || name.ends_with("_PROXY") ||
                              name.starts_with("SSL_CERT_") || name.starts_with("CURL_");
        BOOST_TEST((name == "HOME" || name == "PATH" || name == "TZ" || is_curls), name);
        BOOST_TEST(name != "HTTP_PROXY");
    }
    for (const char* name : {"TZ", "https_proxy", "SSL_CERT_FILE"}) {
        BOOST_TEST(std::ranges::count(env, name) == 1);
    }
    std::ranges::sort(fds);
    BOOST_REQUIRE(fds.size() == 3U);
    BOOST_TEST(fds[0] == "0 /dev/null");
    BOOST_TEST(fds[1] == "1 /dev/null");
    BOOST_TEST(fds[2].starts_with("2 pipe:["), fds[2]);  // why it cannot start, until it is detached
}

BOOST_AUTO_TEST_CASE(a_worker_starts_where_children_are_reaped_by_themselves) {
    Scratch dir;
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    bx::start_worker(dir / "report");
    ::signal(SIGCHLD, before);
    BOOST_TEST(!lines_of(dir / "report").empty());
}

BOOST_AUTO_TEST_CASE(no_child_is_left_behind) {
    Scratch dir;
    const pid_t starter = ::fork();  // has no children of other tests, and adopts none
    if (starter == 0) {
        bx::start_worker(dir / "report");
        ::_exit(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD ? 0 : 1);
    }
    int status = -1;
    BOOST_TEST(::waitpid(starter, &status, 0) == starter);
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_is_an_error) {
    Scratch dir;
    BOOST_CHECK_EXCEPTION(bx::start_worker(dir / "none/report"), bx::Error, [](const auto& error) {
        return std::string(error.what()).find("exit status 3") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_says_what_the_worker_said) {
    Scratch dir;
    BOOST_CHECK_EXCEPTION(bx::start_worker(dir / "refused"), bx::Error, [](const auto& error) {
        return error.what() == std::string("cannot start a worker: '}' is missing");
    });
}

BOOST_AUTO_TEST_CASE(a_worker_is_summoned_by_waking_or_starting_it) {
    Scratch dir;
    const std::string store = dir / "q";
    bx::summon_worker(store, dir / "report", false);
    BOOST_TEST(lines_of(dir / "report").empty());
    bx::summon_worker(store, dir / "report", true);
    BOOST_TEST(!lines_of(dir / "report").empty());
    std::filesystem::remove(dir / "report");
    WorkerLock lock(store, 0);
    lock.open_wake();
    bx::summon_worker(store, dir / "report", true);
    BOOST_TEST(readable(lock.wake_fd()));
    BOOST_TEST(lines_of(dir / "report").empty());
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// The other end of start_worker(): writes what this process found to the "config", and ends.  One
// named `refused` is.
[[noreturn]] void report(const std::string& path) {
    namespace fs = std::filesystem;
    if (path.ends_with("/refused")) {
        std::cerr << "a line of the log\nbxhook: '}' is missing\n" << std::flush;
        ::_exit(1);
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // the descriptor that reads the directory
        const fs::path target = fs::read_symlink(entry.path(), gone);
        if (target.string().find("/fd") == std::string::npos) {
            found.push_back("fd " + entry.path().filename().string() + " " + target.string());
        }
    }
    for (char** variable = environ; *variable != nullptr; ++variable) {
        found.push_back(std::string("env ") + *variable);
    }
    for (const std::string& line : lines_of("/proc/self/status")) {
        if (line.starts_with("Sig")) found.push_back(line);
    }
    std::ofstream file(path);
    for (const std::string& line : found) file << line << '\n';
    file.close();
    ::_exit(file ? 0 : 3);
}

// Runs before Boost.Test reads the arguments.
const bool reported = [] {
    std::vector<std::string> words;
    {
        std::ifstream file("/proc/self/cmdline");
        for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    }
    if (words.size() == 5 && words[1] == "work" && words[2] == "--detach" &&
        words[3] == "--config") {
        report(words[4]);
    }
    return false;
}();

}  // namespace
