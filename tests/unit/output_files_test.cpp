// What hooks print, as files beside the store: `log { outputs yes }`.
#include "worker/output_files.h"
#include "worker_scene.h"

namespace {

using namespace worker_tests;

struct OutputFixture : Fixture {
    void keep_outputs(const std::string& more = "") {
        configure(more);
        std::string text = read(dir + "/bxhook.conf");
        const std::string level = "level debug";
        text.insert(text.find(level) + level.size(), "  outputs yes");
        std::ofstream(dir + "/bxhook.conf") << text;
    }
    std::string output(const std::string& name) const {
        return read(dir + "/state/outputs/" + name);
    }
    bool has(const std::string& name) const { return fs::exists(dir + "/state/outputs/" + name); }
    std::size_t count() const {
        const std::string outputs = dir + "/state/outputs";
        if (!fs::exists(outputs)) return 0;
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(outputs), fs::directory_iterator()));
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(output_files, OutputFixture)

BOOST_AUTO_TEST_CASE(each_attempt_is_a_file_of_its_owner_alone) {
    keep_outputs();
    hook("any", "echo try $BX_ATTEMPT; echo warned >&2; test $BX_ATTEMPT -ge 2");
    deal("7");
    BOOST_TEST(wait_for([&] { return once() == 0 && state(1) == "done"; }));
    const std::string first = output("1-any-1.txt");
    BOOST_TEST(first.starts_with("1/any, attempt 1 of 5, ended 20"), first);
    BOOST_TEST(first.find("Z: exit 1, runs again 20") != std::string::npos, first);
    BOOST_TEST(first.ends_with("\ntry 1\n--- stderr ---\nwarned\n"), first);
    const std::string second = output("1-any-2.txt");
    BOOST_TEST(second.find(": done\ntry 2\n--- stderr ---\nwarned\n") != std::string::npos, second);
    const fs::perms mode = fs::status(dir + "/state/outputs/1-any-1.txt").permissions();
    BOOST_TEST((mode == (fs::perms::owner_read | fs::perms::owner_write)));
    BOOST_TEST((fs::status(dir + "/state/outputs").permissions() == fs::perms::owner_all));
}

BOOST_AUTO_TEST_CASE(what_could_not_start_says_so_and_a_dead_one_too) {
    keep_outputs("hook h { event *\n run /bin/true\n arg \"{data.nothing}\" }");
    hook("any", "exit 65");
    deal("7");
    BOOST_TEST(once() == 0);
    BOOST_TEST(output("1-any-1.txt").find(": exit 65, dead\n") != std::string::npos);
    BOOST_TEST(output("1-h-1.txt").find(": argument {data.nothing} is missing, dead\n") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_secret_of_the_event_is_in_a_file) {
    keep_outputs();
    hook("any", "cat");
    post("event=ONTASKADD&auth[access_token]=abcdef123456");
    BOOST_TEST(once() == 0);
    BOOST_TEST(output("1-any-1.txt").find(R"("access_token":"***")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_the_key_there_are_none) {
    hook("any", "echo hello");
    deal("7");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state(1) == "done");
    BOOST_TEST(!fs::exists(dir + "/state/outputs"));
}

// A symlink in the way is not followed; the run is recorded all the same.
BOOST_AUTO_TEST_CASE(what_cannot_be_written_stops_nothing_and_is_said_once) {
    keep_outputs();
    std::ofstream(dir + "/state/outputs") << "a file\n";
    hook("any", "echo hello");
    for (int i = 0; i < 3; ++i) deal(std::to_string(i));
    BOOST_TEST(once() == 0);
    for (int i = 1; i <= 3; ++i) BOOST_TEST(state(i) == "done");
    const std::string text = log();
    const std::string complaint = "what hooks print is not kept in files";
    const std::size_t at = text.find(complaint);
    BOOST_REQUIRE(at != std::string::npos);
    BOOST_TEST(text.find("Not a directory", at) != std::string::npos);
    BOOST_TEST(text.find(complaint, at + 1) == std::string::npos);
}

// Also those of events that another process deleted, and when no more are written; files that are
// not ours are left alone.
BOOST_AUTO_TEST_CASE(the_files_go_with_their_events) {
    keep_outputs();
    hook("any", "echo hello");
    constexpr int old = 120;  // more than one step
    for (int i = 1; i <= old; ++i) add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    BOOST_TEST(count() == std::size_t{old});
    std::ofstream(dir + "/state/outputs/notes.txt") << "mine\n";
    std::ofstream(dir + "/state/outputs/12-mine") << "mine\n";
    const bx::Millis end_of_time = bx::wall_now() + bx::hour;
    while (store()->upkeep().prune({.done_before = end_of_time, .at_most = 1000}).deleted > 0) continue;
    configure("");
    const bx::EventNumber young = deal("7");
    start_and_wait();
    wait_state(young, "done");
    BOOST_TEST(wait_for([&] { return count() == 2U; }), count());
    BOOST_TEST(has("notes.txt"));
    BOOST_TEST(has("12-mine"));
}

BOOST_AUTO_TEST_CASE(what_is_not_wholly_a_name_of_ours_is_left_alone) {
    BOOST_TEST(bx::event_of_output("12-any-1.txt").value() == 12);
    BOOST_TEST(bx::event_of_output("12-any.d.log-x-10.txt").value() == 12);
    for (const char* name :
         {"12-notes.txt", "12-1.txt", "12-any-1.txt~", "12-any-1.TXT", "any-any-1.txt", "-any-1.txt",
          "012-any-1.txt", "0-any-1.txt", "+12-any-1.txt", "12-any-x.txt", "12-any-01.txt",
          "12-any-0.txt", "12--1.txt", "12-.any-1.txt", "12-a b-1.txt", "12-any-.txt",
          "99999999999999999999-any-1.txt", ".txt", "12-any-1"}) {
        BOOST_TEST(!bx::event_of_output(name).has_value(), name);
    }
}

// A link is neither followed nor deleted, and a directory stays.
BOOST_AUTO_TEST_CASE(only_plain_files_go) {
    keep_outputs();
    hook("any", "echo hello");
    add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    const std::string outputs = dir + "/state/outputs/";
    std::ofstream(dir + "/precious") << "mine\n";
    fs::create_symlink(dir + "/precious", outputs + "1-any-2.txt");
    fs::create_directory(outputs + "1-any-3.txt");
    std::ofstream(outputs + "1-notes.txt") << "mine\n";
    std::ofstream(outputs + "9000-any-1.txt") << "of another store\n";
    const bx::Millis end_of_time = bx::wall_now() + bx::hour;
    BOOST_TEST(store()->upkeep().prune({.done_before = end_of_time}).deleted == 1U);
    start_and_wait();
    BOOST_TEST(wait_for([&] { return !has("1-any-1.txt"); }));
    BOOST_TEST(count() == 4U);
    BOOST_TEST(read(dir + "/precious") == "mine\n");
}

BOOST_AUTO_TEST_CASE(a_link_in_the_place_of_the_directory_is_not_followed) {
    keep_outputs();
    fs::create_directory(dir + "/elsewhere");
    std::ofstream(dir + "/elsewhere/1-any-1.txt") << "mine\n";
    fs::create_symlink(dir + "/elsewhere", dir + "/state/outputs");
    hook("any", "echo hello");
    add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    BOOST_TEST(read(dir + "/elsewhere/1-any-1.txt") == "mine\n");
    const bx::Millis end_of_time = bx::wall_now() + bx::hour;
    BOOST_TEST(store()->upkeep().prune({.done_before = end_of_time}).deleted == 1U);
    start_and_wait();
    wait_file("worker.log", "the files of deleted events stay");
    BOOST_TEST(log().find("it is a symbolic link, which is not followed") != std::string::npos);
    BOOST_TEST(read(dir + "/elsewhere/1-any-1.txt") == "mine\n");
}

BOOST_AUTO_TEST_CASE(two_stores_in_one_directory_have_directories_of_their_own) {
    keep_outputs();
    hook("any", "echo hello");
    add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    std::string text = read(dir + "/bxhook.conf");
    text.replace(text.find("queue.db"), 8, "other.db");
    std::ofstream(dir + "/bxhook.conf") << text;
    store_path = dir + "/state/other.db";
    for (int i = 0; i < 2; ++i) add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    BOOST_TEST(count() == 1U);
    BOOST_TEST(read(dir + "/state/other.db.outputs/2-any-1.txt").starts_with("2/any, "));
    const bx::Millis end_of_time = bx::wall_now() + bx::hour;
    BOOST_TEST(store()->upkeep().prune({.done_before = end_of_time}).deleted == 2U);
    start_and_wait();
    BOOST_TEST(wait_for([&] { return fs::is_empty(dir + "/state/other.db.outputs"); }));
    BOOST_TEST(count() == 1U);
}

BOOST_AUTO_TEST_CASE(the_files_of_events_that_are_there_stay) {
    keep_outputs();
    hook("any", "echo hello");
    for (int i = 1; i <= 3; ++i) add("event=ONTASKADD");
    BOOST_TEST(once() == 0);
    start_and_wait();  // it looks at once
    deal("7");
    wait_state(4, "done");
    BOOST_TEST(count() == 4U);
}

BOOST_AUTO_TEST_SUITE_END()
