#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/json_text.h"
#include "https_server.h"
#include "rest/http_pool.h"

using namespace bx;
using rest_tests::HttpsServer;

namespace {

// A directory of programs that stand in for curl and getent: first in $PATH while it lives.
class StandIns {
public:
    StandIns() : before_(std::getenv("PATH")) {
        std::string name = "/tmp/bxhook-stand-ins-XXXXXX";
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir_ = name;
        ::setenv("PATH", (dir_ + ":" + before_).c_str(), 1);
    }
    ~StandIns() {
        ::setenv("PATH", before_.c_str(), 1);
        std::filesystem::remove_all(dir_);
    }
    StandIns(const StandIns&) = delete;
    StandIns& operator=(const StandIns&) = delete;

    std::string path(const std::string& name) const { return dir_ + "/" + name; }
    std::string program(const std::string& name, const std::string& script) const {
        std::ofstream(path(name)) << "#!/bin/sh\nd=" << dir_ << "\n" << script << "\n";
        ::chmod(path(name).c_str(), 0755);
        return path(name);
    }
    std::string text(const std::string& name) const { return read_file(path(name)); }

private:
    std::string before_;
    std::string dir_;
};

HttpSettings settings(Millis timeout = 20 * second) {
    return {.cacert = HttpsServer::instance().cacert(), .proxy = "", .timeout = timeout,
            .https_only = true};
}

HttpRequest get(const std::string& path) {
    return {.url = HttpsServer::instance().url(path), .body = std::nullopt};
}

HttpRequest post(const std::string& path, const std::string& body) {
    return {.url = HttpsServer::instance().url(path), .body = body};
}

HttpOutcome ask(const HttpRequest& request, const HttpSettings& how = settings()) {
    HttpOutcome outcome = ask_http(request, how, nullptr);
    BOOST_TEST_MESSAGE(request.url << " -> " << static_cast<int>(outcome.failure) << " "
                                   << outcome.status << " " << outcome.cause);
    return outcome;
}

bool fails(const HttpOutcome& outcome, HttpFailure failure, bool may_have_run) {
    BOOST_TEST(outcome.may_have_run == may_have_run);
    BOOST_TEST(!outcome.cause.empty());
    return outcome.failure == failure;
}

// In a network of its own, where the kernel refuses to connect to ADDRESS: what came of asking a
// host that has it.  None where a network cannot be made.
std::optional<HttpFailure> ask_where_refused(const std::string& address) {
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string route = "ip link set lo up && ip route add prohibit " + address;
        if (::unshare(CLONE_NEWNET) != 0 || std::system(route.c_str()) != 0) ::_exit(255);
        const Endpoints endpoints({});
        const HttpRequest request{.url = "https://portal.bitrix24.com/rest/x", .body = "y"};
        ::_exit(static_cast<int>(ask_http(request, settings(), &endpoints).failure));
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 255) return std::nullopt;
    return static_cast<HttpFailure>(WEXITSTATUS(status));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_http)

BOOST_AUTO_TEST_CASE(sends_what_it_is_given_and_gives_what_comes) {
    HttpRequest request = post("/echo/a?b=c%20d", std::string("x=1&y=\0\xFF\n", 10));
    request.headers = {"Authorization: Bearer a\"b\\c"};
    const HttpOutcome outcome = ask(request);
    BOOST_TEST(outcome.answered());
    BOOST_TEST(outcome.status == 200);
    const std::optional<JsonText> told = JsonText::parse(outcome.body);
    BOOST_REQUIRE(told.has_value());
    BOOST_TEST(told->find("method")->string() == "POST");
    BOOST_TEST(told->find("path")->string() == "/echo/a?b=c%20d");
    BOOST_TEST(told->find("size")->text() == "10");
    const JsonText headers = *told->find("headers");
    BOOST_TEST(headers.find("authorization")->string() == "Bearer a\"b\\c");
    BOOST_TEST(headers.find("content-type")->string() == "application/x-www-form-urlencoded");
    BOOST_TEST(!headers.find("expect").has_value());
    const HttpOutcome got = ask(get("/echo/"));
    BOOST_TEST(JsonText::parse(got.body)->find("method")->string() == "GET");
    BOOST_TEST(got.may_have_run);
}

BOOST_AUTO_TEST_CASE(a_status_is_an_answer_and_no_redirect_is_followed) {
    for (int status : {400, 401, 404, 429, 500, 503}) {
        const HttpOutcome outcome = ask(get("/status/" + std::to_string(status)));
        BOOST_TEST(outcome.answered());
        BOOST_TEST(outcome.status == status);
        BOOST_TEST(outcome.body == "{\"error\":\"STATUS\"}");
    }
    const HttpOutcome moved = ask(get("/redirect"));
    BOOST_TEST(moved.status == 302);
    BOOST_TEST(moved.body == "<html>moved</html>");
}

BOOST_AUTO_TEST_CASE(large_bodies_pass_both_ways_and_too_large_ones_do_not) {
    const std::string large(3 << 20, 'a');
    BOOST_TEST(JsonText::parse(ask(post("/echo/", large)).body)->find("size")->text() ==
               std::to_string(large.size()));
    BOOST_TEST(ask(get("/size/3000000")).body == std::string(3000000, 'x'));
    HttpRequest request = get("/size/3000000");
    request.max_answer = 2000000;
    BOOST_TEST(fails(ask(request), HttpFailure::too_large, true));
    request.may_be_cut = true;
    const HttpOutcome cut = ask(request);
    BOOST_TEST(cut.answered());
    BOOST_TEST(cut.status == 200);
    BOOST_TEST(cut.body.substr(0, 2000000) == std::string(2000000, 'x'));
    request.max_answer = 3000000;
    request.may_be_cut = false;
    BOOST_TEST(ask(request).answered());
    const HttpOutcome refused = ask(post("/echo/", std::string(max_http_body + 1, 'x')));
    BOOST_TEST(fails(refused, HttpFailure::too_large, false));
}

BOOST_AUTO_TEST_CASE(a_failure_says_what_it_was_and_whether_it_may_have_run) {
    BOOST_TEST(fails(ask(get("/cut")), HttpFailure::cut, true));
    BOOST_TEST(fails(ask(post("/reset", "x")), HttpFailure::cut, true));
    BOOST_TEST(fails(ask(post("/nothing", "x")), HttpFailure::cut, true));
    HttpRequest nowhere = get("/");
    nowhere.url = "https://localhost:1/";
    BOOST_TEST(fails(ask(nowhere), HttpFailure::unreachable, false));
    nowhere.url = "https://no-such-host.invalid/";
    BOOST_TEST(fails(ask(nowhere), HttpFailure::unreachable, false));
    HttpSettings unknown = settings();
    unknown.cacert.clear();
    BOOST_TEST(fails(ask(get("/echo/"), unknown), HttpFailure::untrusted, false));
    HttpRequest another = get("/echo/");
    another.url.replace(another.url.find("localhost"), 9, "127.0.0.1");
    BOOST_TEST(fails(ask(another), HttpFailure::untrusted, false));
    another.trust = Trust::any;
    BOOST_TEST(ask(another).answered());
    unknown.cacert = "/nowhere/ca.pem";
    BOOST_TEST(fails(ask(get("/echo/"), unknown), HttpFailure::bad_cacert, false));
    HttpRequest plain = get("/");
    plain.url = "http://localhost:1/";
    BOOST_TEST(fails(ask(plain), HttpFailure::bad_curl, false));
}

BOOST_AUTO_TEST_CASE(no_request_lasts_longer_than_there_is_time) {
    HttpSettings how = settings();
    const Millis since = steady_now();
    how.until = since + 500;
    BOOST_TEST(fails(ask(get("/hang"), how), HttpFailure::timed_out, true));
    BOOST_TEST(steady_now() - since < 10 * second);
    // And none begins after it: this program would be missed.
    how.curl = "/nowhere/curl";
    const HttpOutcome late = ask(get("/echo/"), how);
    BOOST_TEST(fails(late, HttpFailure::timed_out, false));
    BOOST_TEST(late.cause == "the time for it was over before it began");
    how.until = 0;
    BOOST_TEST(fails(ask(get("/echo/"), how), HttpFailure::no_curl, false));
}

BOOST_AUTO_TEST_CASE(a_server_that_hangs_is_left_in_time) {
    for (const char* path : {"/hang", "/half"}) {
        const Millis since = steady_now();
        BOOST_TEST(fails(ask(get(path), settings(second)), HttpFailure::timed_out, true));
        BOOST_TEST(steady_now() - since < 10 * second);
    }
}

BOOST_AUTO_TEST_CASE(one_that_hangs_holds_nobody) {
    HttpPool pool(settings(15 * second), nullptr, 4);
    const Millis since = steady_now();
    const std::size_t hangs = pool.add(get("/hang"));
    std::set<std::size_t> wanted;
    for (int i = 0; i < 8; ++i) wanted.insert(pool.add(get("/echo/" + std::to_string(i))));
    while (!wanted.empty()) {
        const std::optional<HttpPool::Done> done = pool.next();
        BOOST_REQUIRE(done.has_value());
        BOOST_REQUIRE(done->number != hangs);
        BOOST_TEST(done->outcome.body.find("/echo/" + std::to_string(done->number - 1)) !=
                   std::string::npos);
        BOOST_TEST(wanted.erase(done->number) == 1U);
    }
    BOOST_TEST(steady_now() - since < 14 * second);
}

BOOST_AUTO_TEST_CASE(a_pool_gives_each_once_and_then_none) {
    HttpPool pool(settings(), nullptr, 2);
    BOOST_TEST(!pool.next().has_value());
    std::set<std::size_t> numbers;
    for (int i = 0; i < 5; ++i) pool.add(get("/status/200"));
    while (const auto done = pool.next()) BOOST_TEST(numbers.insert(done->number).second);
    BOOST_TEST(numbers.size() == 5U);
}

BOOST_AUTO_TEST_CASE(a_line_end_becomes_no_option_of_curl) {
    HttpRequest request = get("/echo/");
    request.url += "\noutput = \"/tmp/x\"";
    BOOST_CHECK_THROW(ask(request), Error);
    request = get("/echo/\xC3\xA9");
    BOOST_CHECK_THROW(ask(request), Error);
    request = get("/echo/");
    request.headers = {"X: a\r\nY: b"};
    BOOST_CHECK_THROW(ask(request), Error);
    request.headers = {};
    request.content_type = "text/plain\noutput = \"/tmp/x\"";
    BOOST_CHECK_THROW(ask(request), Error);
    request = post("/echo/a\"b", "x");
    BOOST_TEST(curl_config(request, settings(), "", second).find("url = \"https://localhost:") == 0U);
    BOOST_TEST(curl_config(request, settings(), "", second).find("/echo/a\\\"b\"\n") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(nothing_is_in_argv_or_the_environment) {
    StandIns stand_ins;
    ::setenv("https_proxy", "http://SECRET@127.0.0.1:1", 1);
    ::setenv("BX_SECRET", "SECRET", 1);
    stand_ins.program("curl", "{ echo \"$@\"; env; } >$d/seen; cat <&3 >$d/config; cat >$d/body; "
                              "printf '{}\\n200 0.5 0.1'");
    HttpRequest request = post("/SECRET", "SECRET");
    request.headers = {"Authorization: Bearer SECRET"};
    const HttpOutcome outcome = ask(request);
    ::unsetenv("https_proxy");
    ::unsetenv("BX_SECRET");
    BOOST_TEST(outcome.answered());
    BOOST_TEST(outcome.took == 500);
    BOOST_TEST(outcome.body == "{}");
    BOOST_TEST(stand_ins.text("body") == "SECRET");
    BOOST_TEST(stand_ins.text("config").find("Bearer SECRET") != std::string::npos);
    BOOST_TEST(stand_ins.text("seen").starts_with("-q "));
    BOOST_TEST(stand_ins.text("seen").find("SECRET") == std::string::npos, stand_ins.text("seen"));
}

BOOST_AUTO_TEST_CASE(a_curl_that_is_missing_or_is_none_is_named) {
    StandIns stand_ins;
    HttpSettings how = settings();
    how.curl = stand_ins.path("none");
    BOOST_TEST(fails(ask(get("/"), how), HttpFailure::no_curl, false));
    std::ofstream(stand_ins.path("plain")) << "text";
    how.curl = stand_ins.path("plain");
    BOOST_TEST(fails(ask(get("/"), how), HttpFailure::bad_curl, false));
    how.curl = stand_ins.program("true", "exit 0");
    BOOST_TEST(fails(ask(get("/"), how), HttpFailure::bad_curl, false));
    how.curl = stand_ins.program("killed", "kill -9 $$");
    BOOST_TEST(fails(ask(get("/"), how), HttpFailure::cut, true));  // by a lack of memory, for one
    how.curl = stand_ins.program("old", "echo 'curl: option --x: is unknown' >&2; exit 2");
    const HttpOutcome old = ask(get("/"), how);
    BOOST_TEST(fails(old, HttpFailure::bad_curl, false));
    BOOST_TEST(old.cause == "curl: option --x: is unknown");
}

BOOST_AUTO_TEST_CASE(a_curl_that_does_not_end_is_ended_with_all_it_started) {
    StandIns stand_ins;
    HttpSettings how = settings(100);
    how.curl = stand_ins.program("stuck", "sleep 600 & echo $! >$d/pid; wait");
    const Millis since = steady_now();
    BOOST_TEST(fails(ask(post("/", "x"), how), HttpFailure::timed_out, true));
    BOOST_TEST(steady_now() - since < 10 * second);
    const pid_t pid = std::stoi(stand_ins.text("pid"));
    for (int tries = 0; ::kill(pid, 0) == 0 && tries < 2000; ++tries) ::usleep(5000);
    // A zombie of somebody who does not wait is as good as gone.
    const std::string stat = read_file_or_nothing("/proc/" + std::to_string(pid) + "/stat");
    BOOST_TEST((::kill(pid, 0) != 0 || stat.find(") Z ") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(a_curl_that_says_no_more_and_stays_is_ended_too) {
    StandIns stand_ins;
    HttpSettings how = settings(100);
    how.curl = stand_ins.program("stuck", "exec >&- 2>&- <&-; exec sleep 600");
    const Millis since = steady_now();
    BOOST_TEST(fails(ask(post("/", "x"), how), HttpFailure::timed_out, true));
    BOOST_TEST(steady_now() - since < 10 * second);
}

BOOST_AUTO_TEST_CASE(a_name_is_looked_up_and_the_request_pinned_to_what_was_found) {
    StandIns stand_ins;
    stand_ins.program("getent", "echo \"$@\" >>$d/asked; for a in 93.184.216.34 2606:4700::1; do "
                                "for k in STREAM DGRAM RAW; do echo \"$a $k x\"; done; done");
    stand_ins.program("curl", "cat <&3 >$d/config.$$; cat $d/config.$$ >>$d/configs; "
                              "grep -q :93 $d/config.$$ && exit 7; printf '{}\\n200 0.5 0.1'");
    const Endpoints endpoints({});
    const HttpRequest request{.url = "https://Portal.bitrix24.com/rest/x", .body = "y"};
    const HttpOutcome outcome = ask_http(request, settings(), &endpoints);
    BOOST_TEST(outcome.answered(), outcome.cause);
    BOOST_TEST(stand_ins.text("asked") == "ahosts portal.bitrix24.com\n");
    const std::string configs = stand_ins.text("configs");
    const std::size_t first = configs.find("resolve = \"portal.bitrix24.com:443:93.184.216.34\"\n");
    const std::size_t second = configs.find("resolve = \"portal.bitrix24.com:443:2606:4700::1\"\n");
    BOOST_TEST(first != std::string::npos, configs);
    BOOST_TEST(second != std::string::npos, configs);
    BOOST_TEST(first < second);
}

BOOST_AUTO_TEST_CASE(a_request_that_may_have_run_is_not_sent_to_another_address) {
    StandIns stand_ins;
    stand_ins.program("getent", "echo '93.184.216.34 STREAM x'; echo '93.184.216.35 STREAM x'");
    stand_ins.program("curl", "echo x >>$d/asked; printf '\\n000 0.5 0.1'; exit 52");
    const Endpoints endpoints({});
    const HttpRequest request{.url = "https://portal.bitrix24.com/rest/x", .body = "y"};
    BOOST_TEST(fails(ask_http(request, settings(), &endpoints), HttpFailure::cut, true));
    BOOST_TEST(stand_ins.text("asked") == "x\n");
}

BOOST_AUTO_TEST_CASE(a_kernel_that_refuses_connections_is_told_apart) {
    StandIns stand_ins;
    stand_ins.program("getent", "echo '93.184.216.34 STREAM x'");
    HttpsServer::instance();
    const std::optional<HttpFailure> failure = ask_where_refused("93.184.216.34");
    if (!failure) {
        BOOST_TEST_MESSAGE("skipped: it needs root, and the program ip");
        return;
    }
    BOOST_TEST((*failure == HttpFailure::forbidden));
    BOOST_TEST((ask_where_refused("93.184.216.35") == HttpFailure::unreachable));
}

BOOST_AUTO_TEST_CASE(a_name_with_an_address_that_is_not_public_is_not_asked) {
    StandIns stand_ins;
    stand_ins.program("curl", "touch $d/started; printf '{}\\n200 0.5 0.1'");
    const Endpoints endpoints({});
    const HttpRequest request{.url = "https://portal.bitrix24.com/rest/x", .body = "y"};
    for (const char* address : {"10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0",
                                "::ffff:192.168.0.1", "fd00::1", "0.0.0.0", "garbage"}) {
        stand_ins.program("getent", "echo '93.184.216.34 STREAM x'; echo '" + std::string(address) +
                                        " STREAM x'");
        const HttpOutcome outcome = ask_http(request, settings(), &endpoints);
        BOOST_TEST(fails(outcome, HttpFailure::not_allowed, false), address);
        BOOST_TEST(outcome.cause == "'portal.bitrix24.com' has the address " + std::string(address) +
                                        ", which is not a public one");
    }
    for (const char* script : {"exit 2", "exit 0", "kill -9 $$"}) {
        stand_ins.program("getent", script);
        BOOST_TEST(fails(ask_http(request, settings(), &endpoints), HttpFailure::unreachable, false));
    }
    stand_ins.program("getent", "sleep 600");
    BOOST_TEST(fails(ask_http(request, settings(100), &endpoints), HttpFailure::timed_out, false));
    BOOST_TEST(!std::filesystem::exists(stand_ins.path("started")));
}

BOOST_AUTO_TEST_CASE(through_a_proxy_the_names_alone_are_looked_at) {
    StandIns stand_ins;
    stand_ins.program("getent", "touch $d/asked; echo '10.0.0.1 STREAM x'");
    stand_ins.program("curl", "cat <&3 >$d/config; printf '{}\\n200 0.5 0.1'");
    const Endpoints endpoints({});
    HttpSettings how = settings();
    how.proxy = "http://u:p@proxy.example:3128";
    HttpRequest request{.url = "https://portal.bitrix24.com/rest/x", .body = "y"};
    BOOST_TEST(ask_http(request, how, &endpoints).answered());
    BOOST_TEST(stand_ins.text("config").find("proxy = \"http://u:p@proxy.example:3128\"\n") !=
               std::string::npos);
    BOOST_TEST(!std::filesystem::exists(stand_ins.path("asked")));
    request.url = "https://localhost/rest/x";
    BOOST_TEST(fails(ask_http(request, how, &endpoints), HttpFailure::not_allowed, false));
}

BOOST_AUTO_TEST_CASE(a_host_that_the_configuration_names_is_asked_wherever_it_is) {
    HttpsServer& server = HttpsServer::instance();
    Config config;
    config.apps.push_back({});
    config.apps.back().server = server.origin();
    const Endpoints endpoints(config);
    BOOST_TEST(ask_http(get("/echo/"), settings(), &endpoints).answered());
    const Endpoints none({});
    BOOST_TEST(fails(ask_http(get("/echo/"), settings(), &none), HttpFailure::not_allowed, false));
}

BOOST_AUTO_TEST_CASE(a_request_that_cannot_be_made_leaves_the_others_alone) {
    HttpPool pool(settings(), nullptr, 2);
    HttpRequest bad = get("/echo");
    bad.headers = {"X-Name: \xc3\xa9"};
    pool.add(bad);
    const std::size_t good = pool.add(get("/echo"));
    BOOST_CHECK_THROW(pool.next(), Error);
    const std::optional<HttpPool::Done> done = pool.next();
    BOOST_TEST(done.value().number == good);
    BOOST_TEST(!pool.next().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
