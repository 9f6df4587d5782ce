#include "hooks/hooks_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

namespace fs = std::filesystem;

namespace {

struct Fixture {
    Fixture() {
        std::string name = (fs::temp_directory_path() / "watch-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        top = name;
        dir = top + "/hooks";
        fs::create_directories(dir + "/ONCRMDEALADD.d");
        file("ONCRMDEALADD");
        file("ONCRMDEALADD.d/mail");
    }
    ~Fixture() { fs::remove_all(top); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::string at(const std::string& path) const { return dir + "/" + path; }
    void file(const std::string& path, mode_t mode = 0755) const {
        std::ofstream(at(path)) << "#!/bin/sh\n";
        BOOST_REQUIRE(::chmod(at(path).c_str(), mode) == 0);
    }
    // Does it see CHANGE, and go on after the next begin()?
    bool sees(const std::function<void()>& change) const {
        bx::HooksWatch watch;
        watch.begin(dir);
        BOOST_REQUIRE(watch.unchanged(dir));
        change();
        const bool seen = !watch.unchanged(dir);
        BOOST_TEST(watch.unchanged(dir) == !seen);  // and it stays so until the next look
        watch.begin(dir);
        BOOST_TEST(watch.unchanged(dir));
        return seen;
    }

    std::string top, dir;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hooks_watch, Fixture)

BOOST_AUTO_TEST_CASE(it_sees_what_changes_the_hooks) {
    const std::string deal = at("ONCRMDEALADD");
    BOOST_TEST(sees([&] { file("any"); }));
    BOOST_TEST(sees([&] { fs::rename(at("any"), at("ONCRMLEADADD")); }));
    BOOST_TEST(sees([&] { fs::rename(at("ONCRMLEADADD"), top + "/away"); }));
    BOOST_TEST(sees([&] { fs::rename(top + "/away", at("any")); }));
    BOOST_TEST(sees([&] { fs::remove(at("any")); }));
    BOOST_TEST(sees([&] { ::chmod(deal.c_str(), 0644); }));
    BOOST_TEST(sees([&] { ::chmod(deal.c_str(), 0755); }));
    BOOST_TEST(sees([&] { file("ONCRMDEALADD.d/sms"); }));
    BOOST_TEST(sees([&] { ::chmod(at("ONCRMDEALADD.d/mail").c_str(), 0644); }));
    BOOST_TEST(sees([&] { fs::remove(at("ONCRMDEALADD.d/mail")); }));
    BOOST_TEST(sees([&] { fs::create_directory(at("any.d")); }));
    BOOST_TEST(sees([&] { file("any.d/x"); }));
    BOOST_TEST(sees([&] { fs::remove_all(at("any.d")); }));
}

BOOST_AUTO_TEST_CASE(what_a_hook_does_beside_its_file_is_no_change) {
    std::ofstream log(at("log.txt"));
    fs::create_directory(at("cache"));
    BOOST_TEST(!sees([&] { log << "a line\n" << std::flush; }));
    BOOST_TEST(!sees([&] { std::ofstream(at("cache/x")) << "x"; }));
    BOOST_TEST(!sees([&] { std::ifstream(at("ONCRMDEALADD")).get(); }));
}

BOOST_AUTO_TEST_CASE(another_directory_of_that_name_is_a_change) {
    BOOST_TEST(sees([&] {
        fs::rename(dir, top + "/old");
        fs::create_directory(dir);
    }));
    const std::string live = top + "/live";
    fs::create_directory_symlink("hooks", live);
    bx::HooksWatch watch;
    watch.begin(live);
    BOOST_TEST(watch.unchanged(live));
    fs::remove(live);
    fs::create_directory_symlink("old", live);
    BOOST_TEST(!watch.unchanged(live));
    watch.begin(live);
    BOOST_TEST(watch.unchanged(live));
    BOOST_TEST(!watch.unchanged(dir));
    fs::remove_all(top + "/old");
    BOOST_TEST(!watch.unchanged(live));
}

// Another file than the one in hooks_dir would change.
BOOST_AUTO_TEST_CASE(with_a_link_nothing_is_watched) {
    bx::HooksWatch watch;
    for (const char* link : {"ONCRMLEADADD", "ONCRMDEALADD.d/link", "any.d"}) {
        watch.begin(dir);
        BOOST_TEST(watch.unchanged(dir));
        fs::create_symlink(top + "/elsewhere", at(link));
        watch.begin(dir);
        BOOST_TEST(!watch.watching(dir), link);
        BOOST_TEST(!watch.unchanged(dir), link);
        fs::remove(at(link));
    }
    watch.begin(top + "/nowhere");
    BOOST_TEST(!watch.unchanged(top + "/nowhere"));
}

BOOST_AUTO_TEST_SUITE_END()
