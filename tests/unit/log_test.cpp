// The log: whole lines, and of a batch together.
#include "base/log.h"

#include <boost/test/unit_test.hpp>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace {

struct LogFile {
    LogFile() {
        std::string dir = "/tmp/bxhook-XXXXXX";
        BOOST_REQUIRE(::mkdtemp(dir.data()) != nullptr);
        path = dir + "/log";
        log.configure({.file = path});
    }
    ~LogFile() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }

    std::string text() const { return bx::read_file(path); }

    std::string path;
    bx::Log log{"test"};
};

BOOST_FIXTURE_TEST_SUITE(log, LogFile)

BOOST_AUTO_TEST_CASE(a_line_is_there_at_once) {
    log.info("said", {{"name", "a b"}, {"count", 3}});
    BOOST_TEST(text().ends_with("Z info test: said name=\"a b\" count=3\n"));
}

BOOST_AUTO_TEST_CASE(the_lines_of_a_batch_are_there_at_its_end_in_order) {
    {
        const bx::Log::Batch batch(log);
        log.info("first");
        log.warning("second");
        BOOST_TEST(text().empty());
    }
    const std::string all = text();
    BOOST_TEST(all.find("info test: first\n") < all.find("warning test: second\n"));
    log.info("third");
    BOOST_TEST(text().ends_with("info test: third\n"));
}

// In a pipe no more than this is sure to stay in one piece.
BOOST_AUTO_TEST_CASE(a_batch_writes_whole_lines_of_at_most_pipe_buf_bytes) {
    const bx::Log::Batch batch(log);
    std::size_t before = 0;
    for (int i = 0; i < 200; ++i) {
        log.info(std::string(100, 'x'));
        const std::string written = text();
        BOOST_TEST(written.size() - before <= std::size_t{PIPE_BUF});
        if (!written.empty()) BOOST_TEST(written.back() == '\n');
        before = written.size();
    }
    BOOST_TEST(before > 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
