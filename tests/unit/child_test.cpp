#include "host/start_program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>

namespace {

// What `sh -c SCRIPT` writes to its descriptor 1, started as START says but for fds[1].
std::string output_of(const std::string& script, bx::Start start = {}) {
    bx::Pipe out = bx::make_pipe();
    start.program = "/bin/sh";
    start.argv = {"sh", "-c", script};
    if (start.fds.empty()) start.fds = {bx::null_device, -1, bx::null_device};
    start.fds.at(1) = out.write.get();
    const bx::Started shell = bx::start_program(start);
    BOOST_REQUIRE(shell.error == 0);
    out.write.reset();
    std::string text = bx::read_all(out.read.get(), "the shell", 4096);
    BOOST_TEST(::waitpid(shell.pid, nullptr, 0) == shell.pid);
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(child)

BOOST_AUTO_TEST_CASE(gets_the_descriptors_that_are_listed_and_no_other) {
    const bx::Fd leak(::dup(2));  // not close-on-exec
    BOOST_TEST(output_of("for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /dev/fd/$fd ] && echo $fd; done") ==
               "0\n1\n2\n");
}

BOOST_AUTO_TEST_CASE(a_descriptor_whose_number_was_taken_is_still_the_right_one) {
    bx::Pipe text = bx::make_pipe();
    BOOST_REQUIRE(bx::write_all(text.write.get(), "here"));
    text.write.reset();
    const bx::Fd stdin_before(::dup(0));
    ::dup2(text.read.get(), 0);  // as where we were started without 0
    bx::Start start;
    start.fds = {bx::null_device, -1, bx::null_device, 0};
    const std::string read = output_of("cat <&3", start);
    ::dup2(stdin_before.get(), 0);
    BOOST_TEST(read == "here");
}

BOOST_AUTO_TEST_CASE(has_the_umask_and_directory_it_is_given_and_leaves_ours) {
    const mode_t before = ::umask(0077);
    bx::Start start;
    start.umask = 022;
    start.dir = "/usr/bin";
    const std::string told = output_of("umask; pwd", start);
    const std::string ours = output_of("umask");
    BOOST_TEST(::umask(before) == 0077u);
    BOOST_TEST(told == "0022\n/usr/bin\n");
    BOOST_TEST(ours == "0077\n");
}

BOOST_AUTO_TEST_CASE(no_signal_is_ignored_or_blocked) {
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    const std::string told = output_of("while read -r line; do case $line in Sig[BI]*) echo $line;; esac; "
                                       "done </proc/$$/status");
    ::signal(SIGPIPE, before);
    BOOST_TEST(told == "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n");
}

BOOST_AUTO_TEST_CASE(a_name_without_slash_is_looked_for_in_the_path) {
    const bx::Started none = bx::start_program(
        {.program = "no-such-program", .argv = {"x"}, .env = {}, .fds = {}});
    BOOST_TEST(none.error == ENOENT);
    BOOST_TEST(none.pid == -1);
    const bx::Started found =
        bx::start_program({.program = "true", .argv = {"true"}, .env = {}, .fds = {}});
    BOOST_REQUIRE(found.error == 0);
    BOOST_TEST(::waitpid(found.pid, nullptr, 0) == found.pid);
}

BOOST_AUTO_TEST_SUITE_END()
