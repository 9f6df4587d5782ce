#include "gateway/server.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "gateway/record_reader.h"
#include "store/store.h"

using bx::Fd;
using namespace std::literals;

namespace {

constexpr bx::Millis patience = 20 * bx::second;

// Accepts nothing by itself.
Fd deaf_listener() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr address{};  // autobind: a name in no directory
    address.sa_family = AF_UNIX;
    BOOST_REQUIRE(::bind(fd.get(), &address, sizeof(sa_family_t)) == 0);
    BOOST_REQUIRE(::listen(fd.get(), 1) == 0);
    return fd;
}

// A store that never opens: a right event ends as 503, everything before it is the real thing.
bx::Gateway::Options without_store() {
    bx::Gateway::Options options;
    options.open = [](const std::string&, const bx::StoreOptions&) -> std::unique_ptr<bx::Store> {
        throw bx::StoreError("no store here");
    };
    options.become_owner = [](const std::string&) {};
    options.start = [](const std::string&) {};
    return options;
}

struct Fixture {
    Fixture() {
        config = "/tmp/bxhook-XXXXXX";
        const Fd file(::mkstemp(config.data()));
        BOOST_REQUIRE(bool(file));
        configure(2000);
        gateway.emplace(config, without_store(), log);
    }
    ~Fixture() { ::unlink(config.c_str()); }

    void configure(int body_limit) const {
        std::ofstream(config) << "store /nowhere/queue.db\n"
                                 "portal {\n member_id m\n token good\n}\n"
                                 "limits {\n body "
                              << body_limit << "\n}\nlog {\n level error\n file /dev/null\n}\n";
    }
    bx::Server& serve(const bx::ServerLimits& limits) {
        return server.emplace(deaf_listener(), *gateway, log, limits);
    }
    // A web server's end of a new connection.
    Fd connect() {
        std::array<int, 2> ends{-1, -1};
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                                   ends.data()) == 0);
        server->take_over(Fd(ends[1]));
        return Fd(ends[0]);
    }
    // Turns the loop until CONDITION holds.
    template <class Condition>
    bool turn_until(Condition condition) {
        const bx::Millis end = bx::steady_now() + patience;
        while (!condition()) {
            if (bx::steady_now() > end || !server->turn()) return false;
        }
        return true;
    }

    std::string config;
    bx::Log log{"gateway"};
    std::optional<bx::Gateway> gateway;
    std::optional<bx::Server> server;
};

std::string make_record(std::uint8_t type, std::string_view content) {
    std::string out;
    bx::append_record(out, type, 1, content);
    return out;
}

std::string get_request() {
    constexpr std::string_view params = "\x0e\x03REQUEST_METHODGET"sv;
    return make_record(bx::record::begin_request, bx::begin_request_content(true)) +
           make_record(bx::record::params, params) + make_record(bx::record::params, "") +
           make_record(bx::record::standard_input, "");
}

void send(const Fd& peer, std::string_view bytes) {
    BOOST_REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                  static_cast<ssize_t>(bytes.size()));
}

// What has come; "" when the connection was closed.
std::string receive(const Fd& peer) {
    std::string bytes(64 * 1024, '\0');
    const ssize_t got = ::recv(peer.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(server, Fixture)

BOOST_AUTO_TEST_CASE(closes_connections_that_stay_silent_for_too_long) {
    rlimit files{};
    BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    const rlimit before = files;
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
    // So many that what the first ones leave goes back to the system while the last ones are closed.
    const std::size_t count = files.rlim_cur >= 4096 ? 1500 : 400;
    bx::ServerLimits limits;
    limits.idle = 10;
    limits.connections = count;
    serve(limits);
    {
        std::vector<Fd> peers;
        peers.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            peers.push_back(connect());
            send(peers.back(), get_request());
        }
        BOOST_TEST(turn_until([&] { return server->connections() == 0; }));
        for (const Fd& peer : peers) {
            BOOST_TEST(!receive(peer).empty());  // its answer, before
            BOOST_TEST(receive(peer).empty());
        }
    }
    BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
