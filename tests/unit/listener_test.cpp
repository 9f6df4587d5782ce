#include "gateway/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "begin_request.h"
#include "gateway/fastcgi.h"
#include "gateway/record_reader.h"
#include "gateway/server_limits.h"
#include "gateway/socket.h"

using bx::RawRequest;
using bx::RecordReader;
using State = bx::RecordReader::State;
using namespace std::literals;

namespace {

constexpr std::size_t body_limit = 1000;

std::string make_record(std::uint8_t type, std::uint16_t id, std::string_view content) {
    std::string out;
    bx::append_record(out, type, id, content);
    return out;
}

// One with N bytes of padding.
std::string make_padded(std::uint8_t type, std::uint16_t id, std::string_view content,
                        char padding) {
    std::string out = make_record(type, id, content);
    out[6] = padding;
    return out + std::string(static_cast<std::size_t>(padding), 'P');
}

std::string pair(std::string_view name, std::string_view value) {
    std::string out{static_cast<char>(name.size()), static_cast<char>(value.size())};
    return out.append(name).append(value);
}

std::string begin(std::uint16_t id, bool keep = false) {
    return make_record(bx::record::begin_request, id, begin_request_content(keep));
}

std::string params(std::uint16_t id, std::string_view pairs) {
    std::string end = make_record(bx::record::params, id, "");
    return pairs.empty() ? end : make_record(bx::record::params, id, pairs) + end;
}

std::string body(std::uint16_t id, std::string_view bytes) {
    return make_record(bx::record::standard_input, id, bytes) +
           make_record(bx::record::standard_input, id, "");
}

std::string request(std::uint16_t id, std::string_view bytes, bool keep = false) {
    return begin(id, keep) + params(id, pair("REQUEST_METHOD", "POST")) + body(id, bytes);
}

// END_REQUEST of ID with this protocolStatus.
std::string end(std::uint16_t id, char status) {
    return make_record(bx::record::end_request, id, std::string{0, 0, 0, 0, status, 0, 0, 0});
}

// What becomes of STREAM, given at once: "complete BODY", "partial", "broken PROBLEM"...
std::string outcome(std::string_view stream) {
    RecordReader reader(960);
    reader.take(stream, body_limit);
    switch (reader.state()) {
        case State::idle: return "idle";
        case State::partial: return "partial";
        case State::complete: return "complete " + reader.take_request().body;
        case State::refused:
            return "refused " + std::string(reader.problem());
        case State::broken: return "broken " + std::string(reader.problem());
    }
    return "";
}

struct Scratch {
    Scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "bxhook-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
    }
    ~Scratch() { std::filesystem::remove_all(dir); }

    std::string dir;
};

bool connects(const std::string& path) {
    bx::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(listener)

BOOST_AUTO_TEST_CASE(a_request_is_complete_at_its_empty_stdin_record) {
    BOOST_TEST(outcome("") == "idle");
    BOOST_TEST(outcome(begin(1)) == "partial");
    BOOST_TEST(outcome(begin(1) + params(1, "")) == "partial");
    std::string whole = request(1, "a=b");
    BOOST_TEST(outcome(whole) == "complete a=b");
    BOOST_TEST(outcome(std::string_view(whole).substr(0, whole.size() - 1)) == "partial");
}

BOOST_AUTO_TEST_CASE(a_request_may_come_byte_by_byte) {
    RecordReader reader(960);
    std::string stream = begin(7, true) + make_padded(bx::record::params, 7, pair("A", "B"), 5) +
                         make_padded(bx::record::params, 7, "", 3) +
                         make_padded(bx::record::standard_input, 7, "abc", 7) +
                         make_padded(bx::record::standard_input, 7, "", 1);
    for (std::size_t i = 0; i < stream.size(); ++i) {
        BOOST_TEST((reader.state() != State::complete));
        BOOST_TEST(reader.take(std::string_view(stream).substr(i, 1), body_limit) == 1u);
    }
    BOOST_REQUIRE((reader.state() == State::complete));
    RawRequest request = reader.take_request();
    BOOST_TEST(request.id == 7);
    BOOST_TEST(request.keep);
    BOOST_TEST(request.params == pair("A", "B"));
    BOOST_TEST(request.body == "abc");
    BOOST_TEST((reader.state() == State::idle));
}

BOOST_AUTO_TEST_CASE(takes_not_a_byte_of_the_next_request) {
    RecordReader reader(960);
    std::string first = request(1, "one", true);
    std::string both = first + request(1, "two");
    BOOST_TEST(reader.take(both, body_limit) == first.size());
    BOOST_TEST(reader.take_request().body == "one");
    BOOST_TEST(reader.take(std::string_view(both).substr(first.size()), body_limit) ==
               both.size() - first.size());
    BOOST_TEST(reader.take_request().body == "two");
}

BOOST_AUTO_TEST_CASE(a_body_over_the_limit_is_cut_and_still_framed) {
    RecordReader reader(960);
    std::string long_body(5000, 'x');
    std::string stream = request(1, long_body);
    BOOST_TEST(reader.take(stream, body_limit) == stream.size());
    BOOST_REQUIRE((reader.state() == State::complete));
    const RawRequest request = reader.take_request();
    BOOST_TEST(request.body == std::string(body_limit, 'x'));
    BOOST_TEST(request.cut);
}

BOOST_AUTO_TEST_CASE(a_limit_that_grows_leaves_no_hole_in_a_body) {
    RecordReader reader(960);
    reader.take(begin(1) + params(1, "") +
                    make_record(bx::record::standard_input, 1, std::string(body_limit + 9, 'a')),
                body_limit);
    reader.take(body(1, "b"), 2 * body_limit);
    BOOST_REQUIRE((reader.state() == State::complete));
    const RawRequest request = reader.take_request();
    BOOST_TEST(request.body == std::string(body_limit, 'a'));
    BOOST_TEST(request.cut);
}

BOOST_AUTO_TEST_CASE(a_forged_request_in_a_body_is_a_body) {
    std::string forged = request(1, "forged");
    BOOST_TEST(outcome(request(1, forged)) == "complete " + forged);
}

BOOST_AUTO_TEST_CASE(breaks_what_is_no_proper_request) {
    const std::pair<std::string, std::string> cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "broken not FastCGI version 1"},
        {make_record(1, 0, begin_request_content(false)), "broken bad BEGIN_REQUEST"},
        {make_record(1, 1, "short"), "broken bad BEGIN_REQUEST"},
        {begin(1) + begin(1), "broken unexpected record"},
        {begin(1) + params(1, "") + params(1, ""), "broken PARAMS after their end"},
        {begin(1) + make_record(bx::record::standard_input, 1, "x"),
         "broken STDIN before the end of PARAMS"},
        {begin(1) + make_record(bx::record::data, 1, "x"), "broken unexpected record"},
        {begin(1) + params(1, "\x05"), "broken truncated PARAMS"},
        {begin(1) + params(1,
                           "\x05\x05"
                           "abc"),
         "broken truncated PARAMS"},
        {begin(1) + params(1, "\x7f"), "broken truncated PARAMS"},
        {begin(1) + params(1, "\xff\xff\xff\xfe\xff\xff\xff\xfe"), "broken truncated PARAMS"},
        {begin(1) + params(1, "\xff\xff\xff\xff\x01"), "broken truncated PARAMS"},
        {begin(1) + params(1, "\x80\x00"), "broken truncated PARAMS"},
        {begin(1) + make_record(bx::record::params, 1, std::string(60000, 'x')) +
             make_record(bx::record::params, 1, std::string(2000, 'x')),
         "broken too many PARAMS"},
    };
    for (const auto& [stream, expected] : cases) BOOST_TEST(outcome(stream) == expected);
}

BOOST_AUTO_TEST_CASE(ends_what_is_aborted_and_goes_on) {
    RecordReader reader(960);
    const std::string aborted = begin(3, true) + params(3, pair("A", "B")) +
                                make_record(bx::record::standard_input, 3, "x") +
                                make_padded(bx::record::abort_request, 3, "abc", 5);
    const std::string both = aborted + request(3, "next");
    BOOST_TEST(reader.take(both, body_limit) == aborted.size());
    BOOST_REQUIRE((reader.state() == State::refused));
    BOOST_TEST(reader.problem() == "aborted by the web server");
    BOOST_TEST(reader.take_replies() == end(3, 0));
    BOOST_TEST(reader.take_request().keep);
    BOOST_TEST((reader.state() == State::idle));
    reader.take(std::string_view(both).substr(aborted.size()), body_limit);
    BOOST_REQUIRE((reader.state() == State::complete));
    BOOST_TEST(reader.take_request().body == "next");
}

BOOST_AUTO_TEST_CASE(ends_a_request_for_another_role_and_goes_on) {
    for (char role : {char{2}, char{3}, char{77}}) {
        RecordReader reader(960);
        std::string content = begin_request_content(true);
        content[1] = role;
        const std::string other = make_record(bx::record::begin_request, 5, content);
        reader.take(other, body_limit);
        BOOST_REQUIRE((reader.state() == State::refused));
        BOOST_TEST(reader.problem() == "not the role of a responder");
        BOOST_TEST(reader.take_replies() == end(5, 3));
        BOOST_TEST(reader.take_request().keep);
        // What else belongs to it is skipped.
        reader.take(params(5, pair("A", "B")) + body(5, "x") + request(5, "next"), body_limit);
        BOOST_REQUIRE((reader.state() == State::complete));
        BOOST_TEST(reader.take_request().body == "next");
    }
}

BOOST_AUTO_TEST_CASE(skips_what_is_not_of_its_request) {
    // Of an id that is not active, and of an unknown type (FastCGI 1.0, 3.3).
    std::string others = make_record(bx::record::standard_input, 9, "x") +
                         make_record(bx::record::abort_request, 9, "") + make_record(77, 9, "abc");
    BOOST_TEST(outcome(others) == "idle");
    BOOST_TEST(outcome(others + begin(1) + others + params(1, "") + make_record(77, 1, "abc") +
                       others + body(1, "b")) == "complete b");
}

BOOST_AUTO_TEST_CASE(answers_management_records) {
    RecordReader reader(960);
    const std::pair<std::string, std::string> questions[] = {
        {"", ""},
        {pair("FCGI_MAX_CONNS", ""), pair("FCGI_MAX_CONNS", "960")},
        {pair("FCGI_MPXS_CONNS", "") + pair("OTHER", "") + pair("FCGI_MAX_REQS", "") +
             pair("FCGI_MAX_CONNS", ""),
         pair("FCGI_MPXS_CONNS", "0") + pair("FCGI_MAX_REQS", "960") +
             pair("FCGI_MAX_CONNS", "960")},
        {"\xff\xff", ""},
        {std::string(60000, 'x'), ""},
    };
    for (const auto& [asked, told] : questions) {
        reader.take(make_record(bx::record::get_values, 0, asked), body_limit);
        BOOST_TEST(reader.take_replies() == make_record(bx::record::get_values_result, 0, told));
    }
    reader.take(make_record(99, 0, "abc"), body_limit);
    BOOST_TEST(reader.take_replies() ==
               make_record(bx::record::unknown_type, 0, "\x63\0\0\0\0\0\0\0"sv));
    BOOST_TEST((reader.state() == State::idle));
    reader.take(request(1, "b"), body_limit);
    BOOST_TEST((reader.state() == State::complete));
    BOOST_TEST(reader.take_replies() == "");
}

BOOST_AUTO_TEST_CASE(refuses_a_second_request_on_a_busy_connection) {
    RecordReader reader(960);
    reader.take(begin(1) + begin(2) + params(2, "") + body(2, "second"), body_limit);
    BOOST_TEST(reader.take_replies() ==
               make_record(bx::record::end_request, 2, "\0\0\0\0\1\0\0\0"sv));
    reader.take(params(1, "") + body(1, "first"), body_limit);
    BOOST_REQUIRE((reader.state() == State::complete));
    BOOST_TEST(reader.take_request().body == "first");
}

BOOST_AUTO_TEST_CASE(endless_management_records_end) {
    RecordReader reader(960);
    std::string question = make_record(bx::record::get_values, 0, "");
    for (int i = 0; i < 1000; ++i) reader.take(question, body_limit);
    BOOST_TEST((reader.state() == State::broken));
    BOOST_TEST(reader.take_replies().size() < 8192u);
}

BOOST_AUTO_TEST_CASE(libfcgi_finds_the_parameters) {
    bx::FastcgiDecoder decoder;
    for (int round = 0; round < 3; ++round) {
        RawRequest raw;
        raw.params = pair("REQUEST_METHOD", "POST") + pair("CONTENT_LENGTH", "3") +
                     pair("REMOTE_ADDR", "192.0.2.1") + pair("CONTENT_TYPE", "text/plain") +
                     pair("EMPTY", "") + pair("", "") + pair("REMOTE_ADDR", "198.51.100.9");
        raw.body = "a=b";
        const bx::Request request = decoder.decode(std::move(raw));
        BOOST_TEST(request.method == "POST");
        BOOST_TEST(request.content_length.value() == "3");
        BOOST_TEST(request.remote_addr == "192.0.2.1");
        BOOST_TEST(request.content_type == "text/plain");
        BOOST_TEST(request.body == "a=b");
    }
    BOOST_TEST(decoder.decode(RawRequest{}).method == "");  // nothing of the one before
}

BOOST_AUTO_TEST_CASE(a_request_knows_its_url_and_authorization) {
    RawRequest raw;
    raw.params = pair("SCRIPT_NAME", "/bx/bxhook.fcgi") + pair("PATH_INFO", "/-/status") +
                 pair("QUERY_STRING", "a=1&b") + pair("HTTP_AUTHORIZATION", "Bearer x");
    const bx::Request request = bx::FastcgiDecoder().decode(std::move(raw));
    BOOST_TEST(request.path == "/bx/bxhook.fcgi/-/status");
    BOOST_TEST(request.query == "a=1&b");
    BOOST_TEST(request.authorization == "Bearer x");
    raw = {};
    raw.params = pair("SCRIPT_NAME", "/bitrix24");
    BOOST_TEST(bx::FastcgiDecoder().decode(std::move(raw)).path == "/bitrix24");
}

BOOST_AUTO_TEST_CASE(a_parameter_ends_at_its_first_nul) {
    RawRequest raw;
    raw.params = pair("CONTENT_TYPE", std::string("text/plain\0X=1\0REQUEST_METHOD=GET", 33)) +
                 pair("REQUEST_METHOD", "POST");
    const bx::Request request = bx::FastcgiDecoder().decode(std::move(raw));
    BOOST_TEST(request.content_type == "text/plain");
    BOOST_TEST(request.method == "POST");
}

BOOST_AUTO_TEST_CASE(a_large_set_of_parameters_is_decoded) {
    RawRequest raw;
    for (int i = 0; i < 5000; ++i) raw.params += pair("P" + std::to_string(i), "v");
    raw.params += pair("REQUEST_METHOD", "GET");
    BOOST_REQUIRE(raw.params.size() < bx::params_limit);
    BOOST_TEST(bx::FastcgiDecoder().decode(std::move(raw)).method == "GET");
}

BOOST_AUTO_TEST_CASE(an_answer_is_one_record_and_the_end) {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    bx::Fd ours(ends[0]), theirs(ends[1]);
    const bx::Answer answer = bx::line_answer("hello", false);
    BOOST_TEST(bx::send_answer(ours.get(), 300, answer));
    std::string got(4096, '\0');
    ssize_t size = ::read(theirs.get(), got.data(), got.size());
    BOOST_REQUIRE(size > 0);
    got.resize(static_cast<std::size_t>(size));
    BOOST_TEST(got == make_record(bx::record::standard_output, 300, bx::cgi_response(answer)) +
                          make_record(bx::record::end_request, 300, "\0\0\0\0\0\0\0\0"sv));
}

BOOST_AUTO_TEST_CASE(an_answer_to_a_peer_that_left_is_reported) {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    bx::Fd ours(ends[0]);
    ::close(ends[1]);
    BOOST_TEST(!bx::send_answer(ours.get(), 1, bx::line_answer("hello", false)));
}

BOOST_AUTO_TEST_CASE(makes_a_socket_of_mode_0660_whatever_the_umask) {
    Scratch scratch;
    std::string path = scratch.dir + "/s";
    for (mode_t mask : {mode_t{0}, mode_t{0777}}) {
        mode_t old = ::umask(mask);
        bx::Fd fd = bx::open_listener(path, "");
        BOOST_TEST(::umask(old) == mask);
        struct stat info {};
        BOOST_REQUIRE(::stat(path.c_str(), &info) == 0);
        BOOST_TEST((info.st_mode & 07777) == 0660u);
        BOOST_TEST(bx::is_listening_socket(fd.get()));
        BOOST_TEST((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

BOOST_AUTO_TEST_CASE(replaces_a_dead_socket_and_no_living_one) {
    Scratch scratch;
    std::string path = scratch.dir + "/s";
    { bx::Fd dead = bx::open_listener(path, ""); }
    BOOST_TEST(!connects(path));
    bx::Fd living = bx::open_listener(path, "");
    BOOST_CHECK_THROW(bx::open_listener(path, ""), bx::Error);
    BOOST_TEST(connects(path));
}

BOOST_AUTO_TEST_CASE(never_replaces_a_file) {
    Scratch scratch;
    std::string path = scratch.dir + "/precious";
    std::ofstream(path) << "data";
    BOOST_CHECK_THROW(bx::open_listener(path, ""), bx::Error);
    BOOST_TEST(std::filesystem::file_size(path) == 4u);
    std::filesystem::create_symlink(path, scratch.dir + "/link");
    BOOST_CHECK_THROW(bx::open_listener(scratch.dir + "/link", ""), bx::Error);
}

BOOST_AUTO_TEST_CASE(refuses_a_path_that_no_socket_can_have) {
    Scratch scratch;
    BOOST_CHECK_THROW(bx::open_listener(scratch.dir + "/" + std::string(120, 'x'), ""), bx::Error);
    BOOST_CHECK_THROW(bx::open_listener(scratch.dir + "/none/s", ""), bx::Error);
    BOOST_CHECK_THROW(bx::open_listener(scratch.dir + "/s", "no-such-group"), bx::Error);
}

BOOST_AUTO_TEST_CASE(tells_a_listening_socket) {
    int ends[2];
    BOOST_REQUIRE(::pipe(ends) == 0);
    bx::Fd reading(ends[0]), writing(ends[1]);
    BOOST_TEST(!bx::is_listening_socket(reading.get()));
    BOOST_TEST(!bx::is_listening_socket(-1));
    bx::Fd unbound(::socket(AF_UNIX, SOCK_STREAM, 0));
    BOOST_TEST(!bx::is_listening_socket(unbound.get()));
}

BOOST_AUTO_TEST_SUITE_END()
