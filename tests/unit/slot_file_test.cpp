// The slots of runs, and what the next worker makes of what a killed one left in them.
#include <boost/test/unit_test.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "host/slot_file.h"
#include "worker_scene.h"

namespace fs = std::filesystem;
using bx::SlotFile;

namespace {

// Overwrites bytes of the slots beside STORE, from OFFSET on.
void damage(const std::string& store, std::streamoff offset, const std::string& bytes) {
    std::fstream file(SlotFile::path_of(store), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << bytes;
    BOOST_REQUIRE(file.good());
}

struct Fixture : worker_tests::Fixture {
    std::string slots() const { return SlotFile::path_of(store_path); }
    // What opening it says.
    std::string refusal() const {
        try {
            SlotFile file(store_path);
            return "";
        } catch (const bx::Error& error) {
            return error.what();
        }
    }
    // Claims the one delivery there is, as a worker that then dies.  Gives the run's name.
    std::string claim() {
        const auto plenty = [](const std::string&) { return std::size_t{9}; };
        std::unique_ptr<bx::Store> open = store();
        const auto claims = open->runs().claim(1, plenty, bx::wall_now());
        BOOST_REQUIRE(claims.size() == 1U);
        open->runs().start(claims);
        return claims.front().run;
    }
    // RUN has ended so, says the slot at PLACE.
    void ended(SlotFile::Place place, const std::string& run, bx::AttemptResult result, int exit) {
        SlotFile(store_path).write(
            place, SlotFile::key_of(run),
            {.result = static_cast<int>(result), .exit = exit, .ended_at = bx::wall_now()});
    }
    // A matched event, whose hook notes each run.
    bx::EventNumber waiting() {
        hook("any", "echo ran >>../out");
        const bx::EventNumber number = add("event=ONCRMDEALUPDATE&data[FIELDS][ID]=7");
        bx::NewDelivery delivery{.hook = "any", .max_attempts = 5};
        store()->matching().dispatch(std::vector{bx::Dispatch{number, {delivery}, {}, {}}},
                                     bx::wall_now());
        return number;
    }
    // "lost done" of a delivery that has ended.
    std::string results(bx::EventNumber number) {
        std::vector<std::string> words;
        for (const bx::AttemptRecord& attempt : attempts(number, "any")) {
            words.emplace_back(name_of(attempt.result));
        }
        std::string text;
        for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
        return text;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(slot_file, Fixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_found_by_the_next_who_opens_it) {
    {
        SlotFile file(store_path);
        BOOST_TEST(file.in_use().empty());
        file.write(7, SlotFile::key_of("1-any-1-a"), {.result = 1, .exit = 0, .ended_at = 150});
        file.write(7, SlotFile::key_of("2-any-1-a"),
                   {.result = 2, .signal = "SIGKILL", .reason = std::string(99, 'x'), .ended_at = 250});
        file.write(8, SlotFile::key_of("3-any-1-a"), {.result = 1, .exit = 3, .ended_at = 300});
    }
    const std::vector<SlotFile::Found> found = SlotFile(store_path).in_use();
    BOOST_REQUIRE(found.size() == 2U);
    BOOST_TEST(found[0].place == 7U);
    BOOST_TEST(found[0].run == SlotFile::key_of("2-any-1-a"));
    BOOST_TEST(found[0].end.result == 2);
    BOOST_TEST(!found[0].end.exit.has_value());
    BOOST_TEST(found[0].end.signal == "SIGKILL");
    BOOST_TEST(found[0].end.reason == std::string(75, 'x'));
    BOOST_TEST(found[0].end.ended_at == 250);
    BOOST_TEST(found[1].end.exit.value() == 3);
}

BOOST_AUTO_TEST_CASE(a_torn_slot_says_nothing) {
    SlotFile file(store_path);
    file.write(0, SlotFile::key_of("1-any-1-a"), {.result = 1, .exit = 0, .ended_at = 100});
    file.write(1, SlotFile::key_of("2-any-1-a"), {.result = 1, .exit = 0, .ended_at = 100});
    damage(store_path, 2 * 128 + 20, "torn");
    const std::vector<SlotFile::Found> found = file.in_use();
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].place == 0U);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_ours_alone_is_refused_with_the_fix) {
    const std::string what = "cannot use '" + slots() + "': ";
    { SlotFile made(store_path); }
    struct stat info {};
    BOOST_REQUIRE(::stat(slots().c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777) == 0600U);
    BOOST_REQUIRE(::chmod(slots().c_str(), 0620) == 0);
    BOOST_TEST(refusal() == what + "others can change it: chmod go-w " + slots());
    fs::remove(slots());
    const std::string away = ": mv -nT " + slots() + " " + slots() + ".old";
    std::ofstream(dir + "/other") << "precious";
    fs::create_symlink(dir + "/other", slots());
    BOOST_TEST(refusal() == what + "it is a link" + away);
    fs::remove(slots());
    BOOST_REQUIRE(::mkfifo(slots().c_str(), 0600) == 0);
    BOOST_TEST(refusal() == what + "it is not a file" + away);
    fs::remove(slots());
    fs::copy_file(dir + "/other", slots());
    BOOST_TEST(refusal() == what + "it is something else" + away);
    BOOST_TEST(worker_tests::read(slots()) == "precious");
}

BOOST_AUTO_TEST_CASE(a_file_that_was_emptied_is_one_of_slots_again) {
    for (const std::uintmax_t size : {0, 5, 4096}) {
        SlotFile file(store_path);
        fs::resize_file(slots(), 0);
        fs::resize_file(slots(), size);
        file.write(40, SlotFile::key_of("1-any-1-a"), {.result = 1, .ended_at = 100});
        BOOST_TEST(refusal() == "");
        const std::vector<SlotFile::Found> found = SlotFile(store_path).in_use();
        BOOST_REQUIRE(found.size() == 1U);
        BOOST_TEST(found[0].place == 40U);
        fs::remove(slots());
    }
}

BOOST_AUTO_TEST_CASE(what_others_left_is_read_without_a_change) {
    BOOST_TEST(SlotFile::left_in(store_path).empty());
    BOOST_TEST(!fs::exists(slots()));
    SlotFile(store_path).write(2, SlotFile::key_of("1-any-1-a"), {.result = 1, .ended_at = 100});
    BOOST_REQUIRE(SlotFile::left_in(store_path).size() == 1U);
    fs::resize_file(slots(), 0);
    BOOST_TEST(SlotFile::left_in(store_path).empty());
    BOOST_TEST(fs::file_size(slots()) == 0U);
    std::ofstream(slots()) << "precious";
    BOOST_CHECK_THROW(SlotFile::left_in(store_path), bx::UnusableSlots);
}

// As on a disk that is full: a part of a slot was written, or nothing.
BOOST_AUTO_TEST_CASE(a_slot_that_is_not_written_whole_is_an_error) {
    SlotFile file(store_path);
    rlimit before{};
    BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    for (const rlim_t most : {rlim_t{3 * 128 + 60}, rlim_t{3 * 128}}) {
        const rlimit tight{most, before.rlim_max};
        BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
        std::string what;
        try {
            file.write(2, SlotFile::key_of("1-any-1-a"),
                       {.result = 1, .reason = std::string(75, 'x'), .ended_at = 100});
        } catch (const bx::Error& error) {
            what = error.what();
        }
        ::setrlimit(RLIMIT_FSIZE, &before);
        BOOST_TEST(what.starts_with("cannot write '" + slots() + "': "), what);
        BOOST_TEST(file.in_use().empty());
    }
    std::signal(SIGXFSZ, ignored);
}

BOOST_AUTO_TEST_CASE(it_is_seen_that_another_file_is_in_its_place) {
    SlotFile file(store_path);
    BOOST_TEST(file.is_in_place());
    fs::copy_file(slots(), slots() + ".new");
    fs::rename(slots() + ".new", slots());
    BOOST_TEST(!file.is_in_place());
    const SlotFile next(store_path);
    BOOST_TEST(next.is_in_place());
    fs::remove(slots());
    BOOST_TEST(!next.is_in_place());
}

BOOST_AUTO_TEST_CASE(a_run_that_had_ended_is_recorded_as_it_ended) {
    const bx::EventNumber number = waiting();
    ended(3, claim(), bx::AttemptResult::done, 0);
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "done");
    BOOST_TEST(results(number) == "done");
    BOOST_TEST(!fs::exists(dir + "/out"));
    BOOST_TEST(log().find("a killed worker's run had ended") != std::string::npos, log());
}

BOOST_AUTO_TEST_CASE(a_run_that_had_failed_is_tried_again_after_its_pause) {
    configure("", "backoff 1h attempts 5");
    const bx::EventNumber number = waiting();
    ended(0, claim(), bx::AttemptResult::failed, 3);
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(number) == "waiting 1/5 exit 3");
    BOOST_TEST(!fs::exists(dir + "/out"));
}

BOOST_AUTO_TEST_CASE(a_run_whose_end_is_unknown_is_lost) {
    const bx::EventNumber number = waiting();
    claim();
    ended(1, "7-any-1-0", bx::AttemptResult::done, 0);
    BOOST_TEST(once() == 0);
    worker_tests::Fixture::wait_state(number, "waiting 1/5");
    wait_for([&] { return once() == 0 && state(number) == "done"; });
    BOOST_TEST(results(number) == "lost done");
}

BOOST_AUTO_TEST_CASE(a_file_of_something_else_stops_no_run) {
    const bx::EventNumber number = waiting();
    claim();
    std::ofstream(slots()) << "precious";
    BOOST_TEST(wait_for([&] { return once() == 0 && state(number) == "done"; }));
    BOOST_TEST(results(number) == "lost done");
    BOOST_TEST(worker_tests::read(slots()) == "precious");
    BOOST_TEST(log().find("ends of runs are kept in the store alone") != std::string::npos);
}

// The end is known to the worker, and the store takes nothing: then it is killed.
BOOST_AUTO_TEST_CASE(a_run_whose_end_was_known_is_not_repeated_after_a_kill) {
    hook("any", "echo begun >>../out; until test -e ../go; do sleep 0.02; done");
    const pid_t pid = start_and_wait();
    const bx::EventNumber number = deal("7");
    wait_file("out", "begun");
    {
        bx::sqlite::Database holder(store_path, {});
        const bx::sqlite::Transaction held(holder, bx::sqlite::Transaction::Kind::write);
        std::ofstream(dir + "/go") << "go";
        wait_file("worker.log", "in trouble");
        kill(pid);
    }
    start_and_wait();
    wait_state(number, "done");
    BOOST_TEST(results(number) == "done");
    BOOST_TEST(worker_tests::read(dir + "/out") == "begun\n");
}

// The same, where the file is deleted under the worker, before that end and after it.
BOOST_AUTO_TEST_CASE(a_file_that_was_deleted_is_made_again_with_what_was_in_it) {
    for (const bool after : {false, true}) {
        const std::string go = after ? "go-after" : "go-before";
        hook("any", "echo begun >>../" + go + ".out; until test -e ../" + go + "; do sleep 0.02; done");
        const pid_t pid = start_and_wait();
        const bx::EventNumber number = deal(after ? "8" : "7");
        wait_file(go + ".out", "begun");
        const auto replaced = [&] { return fs::remove(slots()) && wait_for([&] { return fs::exists(slots()); }); };
        if (!after) BOOST_TEST(replaced());
        {
            bx::sqlite::Database holder(store_path, {});
            const bx::sqlite::Transaction held(holder, bx::sqlite::Transaction::Kind::write);
            const std::size_t left = SlotFile::left_in(store_path).size();
            std::ofstream(dir + "/" + go) << "go";
            wait_for([&] { return SlotFile::left_in(store_path).size() > left; });
            if (after) {
                BOOST_TEST(replaced());
                BOOST_TEST(wait_for([&] { return !SlotFile::left_in(store_path).empty(); }));
            }
            kill(pid);
        }
        const pid_t next = start_and_wait();
        wait_state(number, "done");
        BOOST_TEST(results(number) == "done");
        BOOST_TEST(worker_tests::read(dir + "/" + go + ".out") == "begun\n");
        BOOST_TEST(log().find("the file of ended runs was moved, deleted or replaced") != std::string::npos);
        kill(next);
    }
}

BOOST_AUTO_TEST_SUITE_END()
