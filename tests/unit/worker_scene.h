// What tests of the worker are told with: a real process on a real SQLite store with real hooks.
#pragma once

#include <fcntl.h>
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

#include "base/fd.h"
#include "base/text.h"
#include "event/payload.h"
#include "form/form.h"
#include "host/worker_lock.h"
#include "sqlite/database.h"
#include "stores/open.h"
#include "worker/worker.h"

namespace worker_tests {

namespace fs = std::filesystem;

constexpr bx::Millis patience = 30 * bx::second;
constexpr uid_t nobody = 65534;

inline std::string read(const std::string& path) {
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

    std::unique_ptr<bx::Store> store() const {
        bx::StoreOptions options;
        options.wait = patience;  // a disk that is busy with others fails no test
        return bx::open_store(bx::StorePlace::of(store_path), options,
                              bx::StoreOwner::assumed());
    }

    bx::EventNumber add(const std::string& body) {
        bx::Tree tree = bx::decode_urlencoded(body, {});
        bx::Payload payload = bx::encode_payload(tree);
        bx::NewEvent event{bx::read_event(tree), bx::Origin::post, bx::wall_now(), payload.body,
                           payload.secrets};
        return store()->sink().add({&event, 1}, 1000).front().value();
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
        for (const bx::DeliveryRecord& d : open->view().deliveries(number)) {
            if (!hook_name.empty() && d.hook != hook_name) continue;
            std::string text(name_of(d.state));
            if (d.state == bx::DeliveryState::done) return text;
            return text + " " + std::to_string(d.attempt) + "/" + std::to_string(d.max_attempts) +
                   (d.reason.empty() ? "" : " " + d.reason);
        }
        std::optional<bx::StoredEvent> event = open->view().event(number);
        BOOST_REQUIRE(event.has_value());
        return std::string(name_of(event->state)) +
               (event->reason.empty() ? "" : " " + event->reason);
    }

    std::vector<bx::AttemptRecord> attempts(bx::EventNumber number, const std::string& hook_name) {
        return store()->view().attempts(number, hook_name);
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
        if (unattended) ::dup2(bx::Fd(::open("/dev/null", O_WRONLY)).get(), STDERR_FILENO);
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
    bool unattended = false;  // no worker has a terminal
};

}  // namespace worker_tests
