// The log: whole lines, and of a batch together; never waited for; followed and rotated.
#include "base/log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <vector>

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

BOOST_AUTO_TEST_CASE(a_long_text_of_ours_is_not_cut_before_its_end) {
    const std::string problem = std::string(1500, 'x') + ": rename the other";
    log.error("refused", {{"problem", problem}});
    BOOST_TEST(text().ends_with(": rename the other\"\n"));
}

// -- The journal

// Its socket as stderr, and what systemd says of it.
struct Journal : LogFile {
    Journal() : stderr_before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
        int ends[2];
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours = bx::Fd(ends[0]);
        const bx::Fd theirs(ends[1]);
        ::dup2(theirs.get(), STDERR_FILENO);
        struct stat info {};
        ::fstat(STDERR_FILENO, &info);
        stream = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
    }
    ~Journal() {
        ::dup2(stderr_before.get(), STDERR_FILENO);
        ::unsetenv("JOURNAL_STREAM");
    }
    static bx::LogSettings at(bx::LogLevel level) {
        bx::LogSettings settings;
        settings.level = level;
        return settings;
    }
    // What a new log, with these settings, wrote to it.
    std::string lines(const bx::LogSettings& settings) {
        bx::Log log_to("test");
        log_to.configure(settings);
        log_to.debug("d");
        log_to.info("i", {{"name", 3}});
        log_to.warning("w");
        log_to.error("e");
        std::string text(4096, '\0');
        const ssize_t got = ::recv(ours.get(), text.data(), text.size(), MSG_DONTWAIT);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

    bx::Fd stderr_before, ours;
    std::string stream;
};

BOOST_FIXTURE_TEST_CASE(the_journal_gets_priorities_and_no_second_time, Journal) {
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    BOOST_TEST(lines(at(bx::LogLevel::debug)) == "<7>debug test: d\n<6>info test: i name=3\n"
                                                        "<4>warning test: w\n<3>error test: e\n");
    bx::LogSettings json = at(bx::LogLevel::error);
    json.json = true;
    BOOST_TEST(lines(json).starts_with("<3>{\"time\":\""));
    BOOST_TEST(lines({.file = path}) == "");
    BOOST_TEST(text().ends_with("Z error test: e\n"));
    BOOST_TEST(text().find('<') == std::string::npos);
}

// JOURNAL_STREAM is inherited by what no longer writes there.
BOOST_FIXTURE_TEST_CASE(another_stderr_gets_lines_with_their_time, Journal) {
    for (const std::string& other : std::vector<std::string>{"", "1:2", stream + "0"}) {
        if (!other.empty()) ::setenv("JOURNAL_STREAM", other.c_str(), 1);
        const std::string text = lines(at(bx::LogLevel::error));
        BOOST_TEST(text.ends_with("Z error test: e\n"), text);
        BOOST_TEST(text.find('<') == std::string::npos);
    }
}

// -- Nobody reads

// A FIFO that is read when the test says so.
struct Fifo : LogFile {
    Fifo() : fifo(path + ".fifo") {
        BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        reader = bx::Fd(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        log.configure({.file = fifo});
    }
    std::string read() const {
        std::string text(1 << 20, '\0');
        ssize_t got = ::read(reader.get(), text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    std::string fifo;
    bx::Fd reader;
};

BOOST_FIXTURE_TEST_CASE(lines_that_nobody_reads_are_dropped_and_counted, Fifo) {
    bx::LogOutput another = bx::LogOutput::open(fifo);
    BOOST_TEST(another.write(std::string(1 << 20, 'x')) > 0u);
    for (int i = 0; i < 11; ++i) log.info("dropped");
    log.send_unsent();
    BOOST_TEST(log.has_unsent());
    BOOST_TEST(read().find("dropped") == std::string::npos);
    log.send_unsent();
    BOOST_TEST(!log.has_unsent());
    BOOST_TEST(read().ends_with("Z warning test: log lines were lost: they could not be written "
                                "lines=11 cause=\"nobody reads it\"\n"));
    log.info("next");
    BOOST_TEST(read().ends_with("info test: next\n"));
}

BOOST_FIXTURE_TEST_CASE(a_line_longer_than_the_pipe_is_finished_before_the_next, Fifo) {
    log.configure({.json = true, .file = fifo});  // text is cut
    log.info("long", {{"value", std::string(100'000, 'y')}});
    BOOST_TEST(log.has_unsent());
    log.info("dropped");
    std::string text = read();
    while (log.has_unsent()) {
        log.send_unsent();
        text += read();
    }
    const std::size_t end = text.find('\n');
    BOOST_TEST(text.substr(0, end).ends_with("\"value\":\"" + std::string(100'000, 'y') + "\"}"));
    BOOST_TEST(text.find("\"lines\":1,", end) != std::string::npos);
    BOOST_TEST(std::ranges::count(text, '\n') == 2);
}

BOOST_FIXTURE_TEST_CASE(what_is_open_to_others_stays_as_it_is, Fifo) {
    const bx::Fd shared(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
    bx::LogOutput output = bx::LogOutput::of(shared.get());
    const std::string much(200'000, 'z');
    BOOST_TEST(output.write(much) < much.size());
    BOOST_TEST(errno == EAGAIN);
    BOOST_TEST((::fcntl(shared.get(), F_GETFL) & O_NONBLOCK) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_fifo_without_reader_is_used_when_it_has_one, Fifo) {
    reader.reset();
    bx::LogOutput none = bx::LogOutput::open(fifo);
    BOOST_TEST(!none);
    BOOST_TEST(errno == ENXIO);
}

// -- Several processes, one file

BOOST_AUTO_TEST_CASE(a_file_renamed_away_is_left_within_a_second) {
    log.info("first");
    std::filesystem::rename(path, path + ".1");
    const bx::Millis end = bx::steady_now() + 5 * bx::second;
    while (!std::filesystem::exists(path) && bx::steady_now() < end) log.info("next");
    BOOST_REQUIRE(std::filesystem::exists(path));
    BOOST_TEST(text().find("info test: next\n") != std::string::npos);
    BOOST_TEST(bx::read_file(path + ".1").find("info test: first\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(two_that_share_a_file_rotate_it_once) {
    bx::Log one("one"), other("other");
    for (bx::Log* each : {&one, &other}) each->configure({.file = path, .rotate_at = 5000});
    int lines = 0;
    auto write = [&](bx::Log& to, int count) {
        for (int i = 0; i < count; ++i, ++lines) to.info(std::string(100, 'x'));
    };
    write(other, 5);
    write(one, 40);    // 5,000 bytes are 36 lines: renames it
    write(other, 36);  // has the old one still, and thinks it large
    const std::string all = bx::read_file(path + ".1") + text();
    BOOST_TEST(std::ranges::count(all, '\n') == lines);
    BOOST_TEST(text().size() < 5000u);
}

// Of a worker by hand: what stands in its shell's >>FILE follows as well.
BOOST_AUTO_TEST_CASE(stderr_follows_when_it_is_the_same_file) {
    const bx::Fd before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    const bx::Fd same(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    ::dup2(same.get(), STDERR_FILENO);
    std::filesystem::rename(path, path + ".1");
    log.reopen();
    const bool written = bx::write_all(STDERR_FILENO, "by another\n");
    ::dup2(before.get(), STDERR_FILENO);
    BOOST_TEST(written);
    BOOST_TEST(text() == "by another\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
