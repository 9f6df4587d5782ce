#include "host/trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

namespace {

namespace fs = std::filesystem;

struct Fixture {
    Fixture() {
        std::string name = (fs::temp_directory_path() / "bxhook-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        fs::create_directory(dir + "/a");
        std::ofstream(dir + "/a/file") << "text";
        ::chmod((dir + "/a/file").c_str(), 0600);
    }
    ~Fixture() { fs::remove_all(dir); }

    std::string read(const std::string& path) {
        writers.clear();
        return bx::read_trusted_file(path, 1000, writers);
    }
    std::string dir;
    std::vector<bx::Writer> writers;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(trust, Fixture)

BOOST_AUTO_TEST_CASE(reads_through_links_and_dots) {
    fs::create_directory_symlink(dir + "/a", dir + "/absolute");
    fs::create_symlink("../a/file", dir + "/a/relative");
    for (const char* path : {"/a/file", "/absolute/file", "/a/relative", "/absolute/../a/./file",
                             "//a///relative"}) {
        BOOST_TEST(read(dir + path) == "text", path);
        std::optional<bx::Target> target = bx::follow(dir + path);
        BOOST_REQUIRE(target.has_value());
        BOOST_TEST(target->info.st_size == 4);
    }
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_none) {
    for (const char* path : {"/none", "/none/file", "/a/file/below"}) {
        BOOST_TEST(!bx::follow(dir + path).has_value(), path);
        BOOST_CHECK_THROW(read(dir + path), bx::Error);
    }
}

BOOST_AUTO_TEST_CASE(a_circle_of_links_is_an_error) {
    fs::create_symlink("circle", dir + "/circle");
    BOOST_CHECK_THROW(bx::follow(dir + "/circle"), bx::Error);
}

BOOST_AUTO_TEST_CASE(a_file_that_others_may_write_names_the_chmod) {
    for (mode_t mode : {0620U, 0602U, 0666U}) {
        ::chmod((dir + "/a/file").c_str(), mode);
        try {
            read(dir + "/a/file");
            BOOST_ERROR("it was read");
        } catch (const bx::UnsafeFile& error) {
            BOOST_TEST(error.path() == dir + "/a/file");
            BOOST_TEST(error.fix() == "chmod go-w " + dir + "/a/file");
        }
    }
}

BOOST_AUTO_TEST_CASE(only_a_regular_file_is_read) {
    BOOST_REQUIRE(::mkfifo((dir + "/fifo").c_str(), 0600) == 0);
    BOOST_CHECK_THROW(read(dir + "/fifo"), bx::Error);
    BOOST_CHECK_THROW(read(dir + "/a"), bx::Error);
    BOOST_CHECK_THROW(read("/dev/full"), bx::Error);
    std::ofstream(dir + "/a/file") << std::string(1001, 'x');
    BOOST_CHECK_THROW(read(dir + "/a/file"), bx::Error);
}

BOOST_AUTO_TEST_CASE(root_learns_who_can_change_it) {
    if (::geteuid() != 0) return;
    ::chmod(dir.c_str(), 0755);
    ::chmod((dir + "/a/file").c_str(), 0644);
    read(dir + "/a/file");
    BOOST_TEST(writers.empty());
    BOOST_CHECK_NO_THROW(bx::require_only(65534, writers));
    BOOST_REQUIRE(::chown((dir + "/a").c_str(), 65534, 65534) == 0);
    read(dir + "/a/file");
    BOOST_REQUIRE(writers.size() == 1u);
    BOOST_TEST(writers[0].path == dir + "/a");
    BOOST_CHECK_NO_THROW(bx::require_only(65534, writers));
    BOOST_CHECK_THROW(bx::require_only(65533, writers), bx::UnsafeFile);
    ::chmod((dir + "/a/file").c_str(), 0600);  // whoever could lead root to it must be able to read it
    BOOST_CHECK_THROW(read(dir + "/a/file"), bx::UnsafeFile);
    ::chmod((dir + "/a/file").c_str(), 0644);
    ::chmod((dir + "/a").c_str(), 0777);
    BOOST_CHECK_THROW(read(dir + "/a/file"), bx::UnsafeFile);
    ::chmod((dir + "/a").c_str(), 01777);  // there each can replace what is theirs alone
    BOOST_CHECK_NO_THROW(read(dir + "/a/file"));
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_write_is_not_root_s_alone) {
    if (::geteuid() != 0) return;
    BOOST_TEST(bx::is_roots_alone(*bx::follow(dir + "/a")));
    ::chmod((dir + "/a").c_str(), 01777);
    BOOST_TEST(!bx::is_roots_alone(*bx::follow(dir + "/a")));
}

BOOST_AUTO_TEST_SUITE_END()
