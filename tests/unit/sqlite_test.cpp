// What the SQLite store promises beyond store.h: its file, its locks, its bytes.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "base/fd.h"
#include "sqlite/sqlite_store.h"
#include "store_scene.h"
#include "worker/pruner.h"

using store_tests::Scene;
using store_tests::Scratch;
using bx::sqlite::Journal;

namespace {

// Runs WORK in another process; gives its exit status.  The parent may have a store open as long as
// the child does not touch that.
int in_child(const std::function<int()>& work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        int status = 99;
        try {
            status = work();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
        }
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Another program that holds the write lock of a database while it lives.
class Holder {
public:
    explicit Holder(const std::string& place) {
        int out[2];
        if (::pipe2(out, O_CLOEXEC) != 0) bx::throw_errno("cannot make a pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(out[1], 1);
            const char* script =
                "import sqlite3, sys, time\n"
                "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                "c.execute('BEGIN IMMEDIATE')\n"
                "print('held', end='', flush=True)\n"
                "time.sleep(600)\n";
            ::execl("/usr/bin/python3", "python3", "-c", script, place.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(out[1]);
        const bx::Fd in(out[0]);
        char word[4] = {};
        if (::read(in.get(), word, sizeof word) != sizeof word)
            throw bx::Error("python3 holds nothing");
    }
    ~Holder() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

private:
    pid_t pid_ = -1;
};

// All bytes of the store's files.  Read by another process: to close the database here would drop
// this one's locks.
std::string bytes_of(const std::string& place) {
    std::string all;
    for (const char* suffix : {"", "-wal", "-journal"}) {
        FILE* file = ::popen(("cat '" + place + suffix + "' 2>/dev/null").c_str(), "r");
        char chunk[65536];
        while (const std::size_t got = std::fread(chunk, 1, sizeof chunk, file))
            all.append(chunk, got);
        ::pclose(file);
    }
    return all;
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

bx::StoreOptions options_with(const std::function<void(bx::StoreOptions&)>& set) {
    bx::StoreOptions options;
    set(options);
    return options;
}

void write_file(const std::string& path, const std::string& data) {
    std::ofstream(path, std::ios::binary) << data;
}

// A file with something of another program in it.
void make_foreign(const std::string& path, const std::string& script) {
    write_file(path, "");
    bx::sqlite::Database(path, {}).script(script);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sqlite)

// -- The file

BOOST_AUTO_TEST_CASE(its_files_are_its_users_alone) {
    const mode_t before = ::umask(0);
    Scene s;
    s.add("1");
    BOOST_TEST(mode_of(s.place()) == 0600U);
    BOOST_TEST(mode_of(s.place() + "-wal") == 0600U);
    BOOST_TEST(mode_of(s.place() + "-shm") == 0600U);
    ::umask(before);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_not_there_is_made_only_when_told_to) {
    Scratch dir;
    const auto no_create = options_with([](auto& o) { o.create = false; });
    BOOST_CHECK_EXCEPTION(
        store_tests::open_store(dir / "q", no_create), bx::StoreError, [&](const auto& error) {
            return error.what() == "cannot open store '" + dir / "q" + "': there is none";
        });
    BOOST_TEST(mode_of(dir / "q") == 0U);
    write_file(dir / "q", "");
    BOOST_CHECK_THROW(store_tests::open_store(dir / "q", no_create), bx::StoreError);
    BOOST_TEST(store_tests::open_store(dir / "q", {})->sink().probe() == 0);  // what a crash left half made
    BOOST_TEST(store_tests::open_store(dir / "q", no_create)->sink().probe() == 0);
    BOOST_CHECK_THROW(store_tests::open_store(dir / "none/q", {}), bx::StoreError);
}

BOOST_AUTO_TEST_CASE(the_database_of_another_program_is_refused_and_left_alone) {
    Scratch dir;
    make_foreign(dir / "a", "CREATE TABLE theirs (x)");
    make_foreign(dir / "b", "PRAGMA user_version = 1000");
    make_foreign(dir / "c", "PRAGMA application_id = 77");
    write_file(dir / "d", std::string(8192, 'x'));
    for (const char* name : {"a", "b", "c", "d"}) {
        const std::string before = bytes_of(dir / name);
        BOOST_CHECK_THROW(store_tests::open_store(dir / name, {}), bx::StoreVersionError);
        BOOST_TEST((bytes_of(dir / name) == before), name);
    }
    ::mkfifo((dir / "fifo").c_str(), 0600);
    BOOST_CHECK_THROW(store_tests::open_store(dir / "fifo", {}), bx::StoreVersionError);
    BOOST_CHECK_THROW(store_tests::open_store(dir.path(), {}), bx::StoreVersionError);
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_a_fifo_beside_a_store) {
    for (const char* suffix : {"-journal", "-wal", "-shm"}) {
        Scratch dir;
        store_tests::open_store(dir / "q", {});
        const std::string fifo = dir / "q" + suffix;
        std::filesystem::remove(fifo);
        BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        const int status = in_child([&] {
            ::alarm(10);
            try {
                store_tests::open_store(dir / "q", {});
                return 1;
            } catch (const bx::StoreVersionError&) {
                return 0;
            }
        });
        BOOST_TEST(status == 0, suffix);
    }
}

BOOST_AUTO_TEST_CASE(a_newer_major_version_is_refused_a_newer_minor_one_used) {
    Scene s;
    s.add("1");
    bx::sqlite::Database raw(s.place(), {});
    raw.script(
        "PRAGMA user_version = 1099; ALTER TABLE event ADD COLUMN colour TEXT DEFAULT 'red'");
    s.open();
    s.put("2");
    BOOST_TEST(s.claim(1) == "2/crm#1");
    BOOST_TEST(raw.number("PRAGMA user_version") == 1099);
    raw.script("PRAGMA user_version = 2000");
    BOOST_CHECK_THROW(s.another(), bx::StoreVersionError);
}

BOOST_AUTO_TEST_CASE(a_store_of_version_1_0_is_refused_by_name_and_left_alone) {
    Scratch dir;
    write_file(dir / "q", "");
    {
        bx::sqlite::Database made(dir / "q", {});
        made.keep_log_at_close(true);
        made.script("PRAGMA journal_mode = WAL; "
                    "CREATE TABLE event (n INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER); "
                    "INSERT INTO event (state) VALUES (0); "
                    "PRAGMA application_id = 0x6278686B; PRAGMA user_version = 1001");
    }
    const std::string before = bytes_of(dir / "q");
    const std::string log = bytes_of(dir / "q-wal");
    BOOST_TEST(!log.empty());
    BOOST_CHECK_EXCEPTION(store_tests::open_store(dir / "q", {}), bx::StoreVersionError,
                          [](const auto& error) {
                              return std::string(error.what()).find("bxhook 1.0 made it") !=
                                     std::string::npos;
                          });
    BOOST_TEST((bytes_of(dir / "q") == before));
    BOOST_TEST((bytes_of(dir / "q-wal") == log));
}

BOOST_AUTO_TEST_CASE(what_is_claimed_runs_also_when_a_further_round_fails) {
    Scene s;
    bx::NewDelivery later = s.delivery("crm");
    for (int i = 1; i <= 1001; ++i) {
        later.due_at = s.now + i;
        s.put("", later);
    }
    s.now += 2 * bx::second;
    bx::sqlite::Database raw(s.place(), {});
    raw.script("CREATE TRIGGER failing BEFORE INSERT ON ready WHEN NEW.d >> 16 = 1001 "
               "BEGIN SELECT RAISE(ABORT, 'it fails'); END");
    const auto plenty = [](const std::string&) { return std::size_t{2000}; };
    const auto claims = s.store().runs().claim(2000, plenty, s.now);
    raw.script("DROP TRIGGER failing");
    BOOST_TEST(claims.size() == 1000U);
    BOOST_TEST(s.store().runs().next_due(s.now).value() <= s.now);
    BOOST_TEST(s.claim(2000, plenty) == "1001/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(damaged_secrets_are_the_trouble_of_their_event_alone) {
    Scene s;
    s.put("1");
    s.put("2");
    s.put("3");
    s.add("4");
    bx::sqlite::Database raw(s.place(), {});
    raw.script("UPDATE slot SET data = x'ffffff00' WHERE id = 2; DELETE FROM slot WHERE id = 3");
    BOOST_TEST(s.claim(9) == "1/crm#1 2/crm#1 3/crm#1");
    BOOST_TEST(s.claims.at("1/crm").event.damage == "");
    BOOST_TEST(s.claims.at("2/crm").event.damage == "its secrets, in slot 2, are damaged");
    BOOST_TEST(s.claims.at("3/crm").event.damage == "its secrets, in slot 3, are damaged");
    BOOST_TEST(s.store().view().event(2)->body == "body of 2");
    for (const char* name : {"1/crm", "2/crm", "3/crm"}) s.done(name);
    BOOST_TEST(s.store().matching().undispatched(9).at(0).damage == "");
    for (int i = 5; i < 9; ++i) s.put(std::to_string(i));  // which use the slots again
    BOOST_TEST(s.claim(9) == "5/crm#1 6/crm#1 7/crm#1 8/crm#1");
    for (int i = 5; i < 9; ++i) BOOST_TEST(s.secrets(i) == "secret of " + std::to_string(i));
}

BOOST_AUTO_TEST_CASE(a_probe_needs_all_that_an_event_needs_and_leaves_nothing) {
    for (const char* table : {"", "event", "world", "slot"}) {
        Scene s;
        s.add("1");
        BOOST_TEST(s.store().sink().probe() == 1);
        if (*table) {
            bx::sqlite::Database(s.place(), {}).script(std::string("DROP TABLE ") + table);
            BOOST_CHECK_THROW(s.store().sink().probe(), bx::StoreError);
        } else {
            BOOST_TEST(s.add("2") == 2);
            BOOST_TEST(s.recount() == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_the_store_knows_nothing_of_changes_nothing) {
    Scene s;
    s.put("7");
    s.put("7");
    s.claim(9);
    bx::sqlite::Database(s.place(), {}).script("DELETE FROM running");
    s.done("1/crm");
    BOOST_TEST(s.state(1) == "waiting");
    BOOST_TEST(s.claim(9) == "");
    s.open_as_worker();
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_was_changed_by_hand_is_set_right_by_the_next_worker) {
    for (const char* harm :
         {"UPDATE hook SET open = 77", "UPDATE world SET finished = -9, skipped = 12",
          "DELETE FROM ready", "DELETE FROM due", "DELETE FROM open WHERE d >> 16 = 2",
          "DELETE FROM open WHERE d >> 16 = 1",
          "INSERT INTO ready VALUES (1, 1, 99 << 16 | 1, 0)",
          "INSERT INTO running VALUES (99 << 16 | 1, 1, 0, 0, 0)",
          "INSERT INTO unmatched VALUES (99)"}) {
        Scene s;
        bx::NewDelivery later = s.delivery("crm");
        later.due_at = bx::wall_now() + bx::hour;
        for (int i = 0; i < 3; ++i) s.put("7");
        s.put("", later);
        s.put("8", "log");
        s.skip(s.add("9"), "none");
        s.add("10");
        bx::sqlite::Database(s.place(), {}).script(harm);
        s.open_as_worker();
        const std::string first = std::string(harm).ends_with("= 1") ? "2" : "1";
        std::string wrong = s.recount();
        if (wrong.starts_with("erasure: ")) wrong.clear();  // they go with their event
        BOOST_TEST(wrong == "", harm);
        BOOST_TEST(s.claim(9) == first + "/crm#1 5/log#1", harm);
    }
}

BOOST_AUTO_TEST_CASE(rows_that_mean_nothing_are_refused) {
    Scene s;
    s.put("1");
    s.claim(9);
    s.done("1/crm");
    s.put("2");
    s.skip(s.add("3"), "none");
    bx::sqlite::Database raw(s.place(), {});
    for (const char* harm :
         {"UPDATE ended SET state = 78", "UPDATE ended SET result = 77", "UPDATE ended SET at = 'x'",
          "UPDATE event SET received_at = 'x'", "UPDATE event SET origin = 9",
          "UPDATE open SET due_at = 'x'", "UPDATE open SET attempt = -1", "UPDATE open SET d = 7",
          "UPDATE ready SET hook = 9", "UPDATE skipped SET retryable = 2",
          "INSERT INTO world (id, key0, key1) VALUES (1, 2, 3)"}) {
        BOOST_CHECK_THROW(raw.script(harm), bx::StoreDataError);
    }
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_that_cannot_be_deleted_is_passed_over) {
    Scene s;
    for (int i = 1; i <= 250; ++i) s.skip(s.add(""), "none");
    s.now += 1000;
    bx::sqlite::Database(s.place(), {}).script(
        "CREATE TRIGGER failing BEFORE DELETE ON event WHEN OLD.n IN (7, 200) "
        "BEGIN SELECT RAISE(ABORT, 'it stays'); END");
    bx::Pruner pruner(s.store().upkeep());
    std::size_t deleted = 0;
    std::vector<bx::EventNumber> passed_over;
    for (bx::PruneStep step{.more = true}; step.more;) {
        step = pruner.step({.done_before = s.now});
        deleted += step.deleted;
        if (step.passed_over != 0) passed_over.push_back(step.passed_over);
    }
    BOOST_TEST(deleted == 248U);
    BOOST_TEST(passed_over == (std::vector<bx::EventNumber>{7, 200}));
    BOOST_TEST(s.list({}) == "200/- 7/-");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_left_is_passed_over_until_all_is_asked_for) {
    Scene s;
    for (int i = 1; i <= 1200; ++i) s.put("");
    for (int i = 1; i <= 1200; i += 2) s.cancel(i);
    s.now += 1000;
    bx::PruneOrder order{.done_before = s.now};
    std::size_t deleted = 0;
    int steps = 0;
    for (bx::Pruned step{.more = true}; step.more; ++steps) {
        step = s.store().upkeep().prune(order);
        deleted += step.deleted;
        BOOST_TEST(step.deleted <= 100U);
    }
    BOOST_TEST(deleted == 600U);
    BOOST_TEST(steps < 20);
    s.cancel(2);
    s.now += 1000;
    order = {.done_before = s.now, .all = false};
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 0U);
    order.all = true;
    BOOST_TEST(s.store().upkeep().prune(order).deleted == 1U);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_with_a_time_far_ahead_keeps_no_other) {
    Scene s;
    s.skip(s.add("1"), "none");
    s.now += 3650 * bx::day;
    s.skip(s.add("2"), "none");
    s.now -= 3650 * bx::day;
    s.skip(s.add("3"), "none");
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 2U);
    BOOST_TEST(s.list({}) == "2/-");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_behind_a_clock_step_whose_event_is_gone_is_deleted_too) {
    Scene s;
    s.now += 3650 * bx::day;
    s.skip(s.add("1"), "none");
    s.now -= 3650 * bx::day;
    s.skip(s.add("2"), "none");  // the step
    s.put("3");
    s.put("4");
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 1U);
    s.cancel(3);
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 1U);
    s.cancel(4);
    s.now += 1000;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 1U);
    BOOST_TEST(s.list({}) == "1/-");
    // With none behind it the step is gone, and counts nowhere else.
    BOOST_TEST(bx::sqlite::Database(s.place(), {}).number("SELECT count(*) FROM clock_step") == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_damaged_file_is_an_error_and_no_crash) {
    Scene s;
    for (int i = 0; i < 200; ++i) s.put(std::to_string(i));
    const std::string copy = s.place() + ".copy";
    std::filesystem::copy_file(s.place() + "-wal", copy + "-wal");
    std::filesystem::copy_file(s.place(), copy);
    store_tests::open_store(copy, {});  // the log goes into the file
    std::string bytes = bytes_of(copy);
    for (std::size_t at = 4096; at < bytes.size(); at += 97) bytes[at] = '\x5A';
    write_file(copy, bytes);
    BOOST_CHECK_THROW(store_tests::open_store(copy, {})->view().list({}), bx::StoreError);
    BOOST_CHECK_THROW(store_tests::open_store(copy, {})->sink().add(std::vector{Scene::event("1")}, 1'000'000),
                      bx::StoreError);
    write_file(copy, bytes_of(copy).substr(0, 5000));
    BOOST_CHECK_THROW(store_tests::open_store(copy, {})->view().list({}), bx::StoreError);
}

BOOST_AUTO_TEST_CASE(a_place_that_cannot_be_written_is_an_error) {
    Scratch dir;
    store_tests::open_store(dir / "q", {});
    const int status = in_child([&] {
        // Not as root, for whom no permission holds.
        if (::geteuid() == 0) {
            if (::chown(dir.path().c_str(), 65534, 65534) != 0) return 1;
            if (::chown((dir / "q").c_str(), 65534, 65534) != 0) return 1;
            if (::setuid(65534) != 0) return 1;
        }
        ::chmod(dir.path().c_str(), 0500);
        const auto refused = [&](const std::string& name) {
            try {
                store_tests::open_store(dir / name, {})->sink().add(std::vector{Scene::event("1")}, 10);
                return false;
            } catch (const bx::StoreError&) {
                return true;
            }
        };
        if (!refused("q") || !refused("new")) return 2;  // the log beside it cannot be made
        ::chmod(dir.path().c_str(), 0700);
        ::chmod((dir / "q").c_str(), 0400);
        return refused("q") ? 0 : 3;
    });
    BOOST_TEST(status == 0);
}

// Whoever forges installations finds no end of room otherwise.
BOOST_AUTO_TEST_CASE(what_anybody_may_send_takes_no_more_room_than_is_held) {
    Scene s;
    std::size_t size = 1;
    const auto forge = [&](int from, int to) {
        for (int i = from; i < to; ++i) {
            size = size * 7919 % 60013;
            bx::NewHeldPost post{.kind = bx::HeldKind::install,
                                 .event = Scene::event("1"),
                                 .token = std::string(32, 't')};
            post.event.facts.member_id = "m" + std::to_string(i);
            post.event.body = std::string(size, 'x');
            post.tokens = {std::string(8 + size % 2000, 'a'), std::string(8 + size % 1999, 'r'), 0};
            post.peer = i % 2 == 0 ? "192.0.2.1" : "192.0.2.2";
            BOOST_TEST((s.store().sink().add({{}, {&post, 1}}, 9).held.at(0) ==
                        bx::HoldResult::held));
        }
        bx::sqlite::Database raw(s.place(), {});
        return raw.number("SELECT sum(length(data)) FROM slot");
    };
    const std::int64_t at_first = forge(0, 300);
    const std::int64_t then = forge(300, 1500);
    BOOST_TEST(then < std::int64_t{10} << 20);  // of 100, each up to 64 KB
    BOOST_TEST(then < 2 * at_first);
    BOOST_TEST(s.store().installations().counts().pending == 100);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(tokens_that_are_damaged_are_none_and_the_others_are_verified) {
    Scene s;
    for (const std::string member : {"m1", "m2"}) {
        bx::NewHeldPost post{.kind = bx::HeldKind::install, .event = Scene::event("1", member),
                             .token = std::string(32, 't')};
        post.tokens = {"access of it", "refresh of it", 0};
        s.store().sink().add({{}, {&post, 1}}, 9);
    }
    {
        bx::sqlite::Database raw(s.place(), {});
        raw.script("UPDATE slot SET data = x'ffffff00' "
                   "WHERE id = (SELECT token FROM installation WHERE member_id = 'm1')");
    }
    bx::Installations& all = s.store().installations();
    const store_tests::Unverified first = store_tests::next_unverified(s.store(), s.now).value();
    BOOST_TEST(first.installation.member_id == "m1");
    BOOST_TEST(first.tokens.refresh == "");
    all.erase(first.installation.id);
    BOOST_TEST(store_tests::next_unverified(s.store(), s.now).value().tokens.refresh == "refresh of it");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error_and_loses_nothing) {
    Scene s;
    s.put("1");
    const std::string place = s.place();
    const int status = in_child([&] {
        ::signal(SIGXFSZ, SIG_IGN);
        const auto store =
            std::make_unique<bx::sqlite::SqliteStore>(place, bx::StoreOptions{}, Journal::ahead);
        bx::NewEvent large = Scene::event("2");
        large.body.assign(200'000, 'x');
        // As far as the log has come: what follows meets a disk that takes no more.
        struct stat log {};
        ::stat((place + "-wal").c_str(), &log);
        const auto end = static_cast<rlim_t>(log.st_size);
        const rlimit limit{end, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        try {
            store->sink().add(std::vector{large}, 10);
            return 1;
        } catch (const bx::StoreError&) {
        }
        try {
            store->sink().probe();
            return 2;
        } catch (const bx::StoreError&) {
        }
        const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &none);
        store->sink().probe();
        return store->sink().add(std::vector{large}, 10)[0] == 2 ? 0 : 3;
    });
    BOOST_TEST(status == 0);
    s.open();
    BOOST_TEST(s.list({}) == "2/- 1/crm");
    BOOST_TEST(s.recount() == "");
}

// -- Several processes

BOOST_AUTO_TEST_CASE(processes_that_make_it_at_once_share_it) {
    Scratch dir;
    std::vector<pid_t> children;
    for (int child = 0; child < 4; ++child) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            int failures = 0;
            for (int i = 0; i < 25; ++i) {
                try {
                    const auto store =
                        store_tests::open_store(dir / "q", {.wait = 20'000, .give_up = nullptr});
                    const std::vector<bx::NewEvent> batch(3, Scene::event("7"));
                    for (const auto& number : store->sink().add(batch, 1000)) failures += !number;
                } catch (const std::exception& error) {
                    std::fprintf(stderr, "child: %s\n", error.what());
                    ++failures;
                }
            }
            ::_exit(failures);
        }
        children.push_back(pid);
    }
    for (const pid_t pid : children) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        BOOST_TEST(status == 0);
    }
    const auto store = store_tests::open_store(dir / "q", {});
    const auto events = store->matching().undispatched(1000);
    BOOST_TEST(events.size() == 300U);
    BOOST_TEST(events.back().number == 300);
}

BOOST_AUTO_TEST_CASE(a_lock_held_by_another_ends_the_wait_in_time) {
    Scene s;
    s.put("1");
    s.open({.wait = 300, .give_up = nullptr});
    const Holder holder(s.place());
    const bx::Millis began = bx::steady_now();
    BOOST_CHECK_THROW(s.add("2"), bx::StoreBusy);
    const bx::Millis took = bx::steady_now() - began;
    BOOST_TEST(took >= 300);
    BOOST_TEST(took < 1000);
    BOOST_CHECK_THROW(s.store().sink().probe(), bx::StoreBusy);
    BOOST_TEST(s.list({}) == "1/crm");  // reading goes on
}

BOOST_AUTO_TEST_CASE(the_wait_ends_at_once_when_told_to_give_up) {
    Scene s;
    int asked = 0;
    s.open({.wait = 60'000, .give_up = [&] { return ++asked == 5; }});
    const Holder holder(s.place());
    const bx::Millis began = bx::steady_now();
    BOOST_CHECK_THROW(s.add("1"), bx::StoreBusy);
    BOOST_TEST(asked == 5);
    BOOST_TEST(bx::steady_now() - began < 1000);
}

BOOST_AUTO_TEST_CASE(one_that_gives_up_by_throwing_gives_up) {
    Scene s;
    s.open({.wait = 60'000, .give_up = []() -> bool { throw bx::Error("stop"); }});
    const Holder holder(s.place());
    BOOST_CHECK_THROW(s.add("1"), bx::StoreBusy);
}

BOOST_AUTO_TEST_CASE(a_process_of_one_request_leaves_the_log_to_others) {
    Scratch dir;
    const std::string log = dir / "q-wal";
    store_tests::open_store(dir / "q", {});
    BOOST_TEST(!std::filesystem::exists(log));
    const auto one_request = options_with([](auto& o) { o.role = bx::Role::cgi; });
    store_tests::open_store(dir / "q", one_request)->sink().add(std::vector{Scene::event("1")}, 9);
    BOOST_TEST(std::filesystem::exists(log));
    BOOST_TEST(std::filesystem::file_size(log) > 0U);
    BOOST_TEST(store_tests::open_store(dir / "q", {})->sink().probe() == 1);
    BOOST_TEST(!std::filesystem::exists(log));
}

BOOST_AUTO_TEST_CASE(commits_are_as_durable_as_the_role_needs) {
    Scratch dir;
    int stores = 0;
    const auto synchronous = [&](bx::Role role, Journal journal) {
        const std::string place = dir / std::to_string(++stores);
        return bx::sqlite::SqliteStore(place, {.role = role}, journal)
            .database()
            .number("PRAGMA synchronous");
    };
    for (const bx::Role role : {bx::Role::cgi, bx::Role::gateway, bx::Role::person}) {
        BOOST_TEST(synchronous(role, Journal::ahead) == 2);     // FULL
        BOOST_TEST(synchronous(role, Journal::rollback) == 3);  // EXTRA
    }
    BOOST_TEST(synchronous(bx::Role::worker, Journal::ahead) == 1);     // NORMAL
    BOOST_TEST(synchronous(bx::Role::worker, Journal::rollback) == 3);  // NORMAL could damage it
}

BOOST_AUTO_TEST_CASE(it_works_with_a_rollback_journal) {
    Scratch dir;
    bx::sqlite::SqliteStore store(dir / "q", {}, Journal::rollback);
    bx::sqlite::SqliteStore other(dir / "q", {}, Journal::rollback);
    BOOST_TEST(store.sink().add(std::vector{Scene::event("7")}, 9)[0].value() == 1);
    BOOST_TEST(other.sink().add(std::vector{Scene::event("7")}, 9)[0].value() == 2);
    BOOST_TEST(!std::filesystem::exists(dir / "q-wal"));
    BOOST_TEST(store.sink().probe() == 2);
    BOOST_TEST(other.matching().undispatched(9).size() == 2U);
    BOOST_TEST(store.upkeep().scrub());
    BOOST_TEST(bytes_of(dir / "q").find("secret of 7") != std::string::npos);
    store.operate().cancel({1, ""}, false, 1);
    store.operate().cancel({2, ""}, false, 1);
    BOOST_TEST(bytes_of(dir / "q").find("secret of 7") == std::string::npos);
}

// -- Secrets

BOOST_AUTO_TEST_CASE(erased_secrets_are_in_no_byte_of_its_files) {
    Scene s;
    std::mt19937 random(7);
    std::map<bx::EventNumber, std::string> secrets;  // of all events ever
    std::set<bx::EventNumber> live;
    for (int round = 0; round < 60; ++round) {
        for (auto i = random() % 40; i > 0; --i) {
            bx::NewEvent event = Scene::event("");
            const std::string mark = "<" + std::to_string(secrets.size()) + ">";
            while (event.secrets.size() < 20 + random() % (i % 9 == 0 ? 9000 : 400))
                event.secrets += mark;
            const bx::EventNumber number = s.add(event);
            secrets[number] = event.secrets;
            live.insert(number);
        }
        for (auto i = random() % 45; i > 0 && live.size() > 30; --i) {
            const auto one = std::next(live.begin(), static_cast<long>(random() % live.size()));
            s.cancel(*one);
            live.erase(one);
        }
        s.now += 1000;
        if (round % 10 == 9) s.store().upkeep().prune({.done_before = s.now - 3000});
    }
    BOOST_TEST(s.store().upkeep().scrub());
    const std::string bytes = bytes_of(s.place());
    int found = 0;
    for (const auto& [number, secret] : secrets) {
        const std::string mark = secret.substr(0, secret.find('>') + 1);
        const bool is_there = bytes.find(mark) != std::string::npos;
        if (live.count(number)) {
            BOOST_TEST(s.secrets(number) == secret);
            BOOST_TEST(is_there);
        } else {
            found += is_there;
        }
    }
    BOOST_TEST(found == 0);
    BOOST_TEST(secrets.size() > live.size() + 500);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(another_processs_erasures_are_scrubbed_too) {
    Scene s;
    const auto other = s.another();
    s.put("1");
    other->operate().cancel({1, ""}, false, s.now);
    BOOST_TEST(bytes_of(s.place()).find("secret of 1") != std::string::npos);  // in the log
    BOOST_TEST(s.store().upkeep().scrub());
    BOOST_TEST(bytes_of(s.place()).find("secret of 1") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_reader_only_delays_the_scrubbing) {
    Scene s;
    bx::sqlite::Database reader(s.place(), {});
    s.put("1");
    {
        bx::sqlite::Transaction reading(reader, bx::sqlite::Transaction::Kind::read);
        reader.number("SELECT count(*) FROM event");
        s.cancel(1);
        BOOST_TEST(!s.store().upkeep().scrub());
    }
    BOOST_TEST(s.store().upkeep().scrub());
    BOOST_TEST(bytes_of(s.place()).find("secret of 1") == std::string::npos);
}

// -- Plans

BOOST_AUTO_TEST_CASE(no_statement_walks_over_a_table_that_grows) {
    Scratch dir;
    bx::sqlite::SqliteStore store(dir / "q", {}, Journal::ahead);
    const bx::Millis now = 1'700'000'000'000;
    const auto room = [](const std::string&) { return std::size_t{9}; };
    bx::NewDelivery merging;
    merging.hook = "crm";
    merging.coalesce = true;
    for (int i = 0; i < 3; ++i) {
        const auto numbers = store.sink().add(std::vector(2, Scene::event("7")), 100);
        store.matching().undispatched(9);
        store.matching().dispatch(std::vector{bx::Dispatch{numbers[0].value(), {merging}, {{"a", "b"}}, {}},
                                   bx::Dispatch{numbers[1].value(), {}, {}, "none"}}, now);
        for (const bx::Claim& claim : store.runs().claim(1, room, now)) {
            bx::Finish run;
            run.event = claim.event.number;
            run.hook = claim.hook;
            run.next = i == 0 ? bx::DeliveryState::dead : bx::DeliveryState::waiting;
            run.attempt = claim.attempt;
            run.ended_at = now;
            store.runs().save_output(run.event, run.hook, run.attempt, {}, {});
            store.operate().cancel({run.event, ""}, true, now);
            store.runs().finish(std::vector{run});
        }
    }
    store.operate().retry({1, "crm"}, [](const std::string&) { return 1; }, now);
    store.operate().retry({2, ""}, [](const std::string&) { return 1; }, now);
    store.operate().cancel({2, ""}, false, now);
    store.view().event(1);
    store.view().deliveries(1);
    store.view().attempts(1, "crm");
    std::vector<bx::ListRow> rows = store.view().list({});
    store.view().add_causes(rows);
    store.matching().fingerprint("web1");
    store.matching().keep_fingerprint("web1", "x", now);
    store.matching().newest_retryable();
    store.matching().renew_skipped({.received_from = now - 1, .up_to = 9}, 10);
    store.matching().forget_reasons({}, 10);
    store.upkeep().newest();
    store.upkeep().count_prunable({.done_before = now + 1, .dead_before = now + 1});
    store.view().status(now);
    store.runs().next_due(now);
    store.upkeep().cap_due(now);
    store.runs().orphans({});
    store.runs().kill_requests();
    store.sink().probe();
    store.upkeep().scrub();
    store.upkeep().prune({.done_before = now + 1, .dead_before = now + 1});
    bx::ListFilter filter;
    filter.from = now;
    for (const bx::RowState state : bx::row_states()) {
        if (state == bx::RowState::done) continue;  // nearly all are, and no index has them
        filter.states = {state};
        store.view().list(filter);
    }
    // Small whatever the store's size: one row a hook, a host, a worker, a run, a request; or asked for
    // one row, or counted for `status`.
    const std::set<std::string> small = {
        "world",  "worker",       "once",         "clock", "hook", "running", "sqlite_master",
        "output", "CONSTANT ROW", "(subquery-1)", "r",     "u",    "h",       "unmatched",
        "hooks_seen"};
    std::size_t looked_at = 0;
    for (const std::string& text : store.database().statements().texts()) {
        if (!text.starts_with("SELECT") && !text.starts_with("UPDATE") &&
            !text.starts_with("DELETE"))
            continue;
        ++looked_at;
        bx::sqlite::Rows plan = store.database().rows("EXPLAIN QUERY PLAN " + text);
        while (plan.next()) {
            const std::string step = plan.text(3);
            const bool sorts = step.find("TEMP B-TREE") != std::string::npos;
            const bool counted = step == "SCAN ready" && text.find("GROUP BY") != std::string::npos;
            const bool asked = step == "SCAN ready" && text.starts_with("SELECT EXISTS");
            const bool failed = step.find("INDEX open_failed") != std::string::npos;
            const bool hooks = step.find("sqlite_autoindex_hook_1") != std::string::npos;
            const bool scans = step.starts_with("SCAN ") && !counted && !asked && !failed &&
                               !hooks && !small.count(step.substr(5));
            BOOST_TEST(!(scans || (sorts && text.find("GROUP BY d & 65535") == std::string::npos)),
                       step << ": " << text);
        }
    }
    BOOST_TEST(looked_at > 50U);
}

BOOST_AUTO_TEST_CASE(only_a_worker_that_lives_is_shown) {
    Scene s;
    bx::WorkerRecord worker{"web1", 4711, "1.0.0", s.now, 0, "", {}, "", false};
    s.store().workers().register_worker(worker);
    BOOST_TEST(s.store().view().status(s.now).workers.empty());
    const bx::WorkerLock lock(s.place(), 0);
    BOOST_TEST(s.store().view().status(s.now).workers.size() == 1U);
    worker.config_error = "unknown key";
    s.store().workers().register_worker(worker);
    s.put("1");
    s.claim(1);
    const bx::WorkerRecord shown = s.store().view().status(s.now).workers.at(0);
    BOOST_TEST(shown.host == "web1");
    BOOST_TEST(shown.pid == 4711);
    BOOST_TEST(shown.running == 1);
    BOOST_TEST(shown.config_error == "unknown key");
    s.store().workers().unregister_worker(worker);
    BOOST_TEST(s.store().view().status(s.now).workers.empty());
}

BOOST_AUTO_TEST_SUITE_END()
