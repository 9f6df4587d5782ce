#include "gateway/server.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "gateway/record_reader.h"
#include "store/store.h"

using bx::Fd;
using namespace std::literals;

namespace {

constexpr bx::Millis patience = 20 * bx::second;

// A store that never opens: a right event ends as 503, everything before it is the real thing.
bx::Gateway::Options without_store() {
    bx::Gateway::Options options;
    options.open = [](const bx::StorePlace&, const bx::StoreOptions&,
                      const bx::StoreOwner&) -> std::unique_ptr<bx::Store> {
        throw bx::StoreError("no store here");
    };
    options.become_owner = [](const bx::Config&) { return bx::StoreOwner::assumed(); };
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
        Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        address.sun_family = AF_UNIX;  // and no path: a name in no directory is chosen
        auto* any = reinterpret_cast<sockaddr*>(&address);
        BOOST_REQUIRE(::bind(listener.get(), any, sizeof(sa_family_t)) == 0);
        length = sizeof address;
        BOOST_REQUIRE(::getsockname(listener.get(), any, &length) == 0);
        return server.emplace(std::move(listener), *gateway, log, limits);
    }
    // A web server's end of a new connection.
    Fd connect() {
        std::array<int, 2> ends{-1, -1};
        BOOST_REQUIRE(
            ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        server->take_over(Fd(ends[1]));
        return Fd(ends[0]);
    }
    // The same through the listener.
    Fd connect_to_listener() {
        Fd peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        BOOST_REQUIRE(::connect(peer.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
        return peer;
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
    sockaddr_un address{};  // of its listener
    socklen_t length = 0;
};

std::string make_record(std::uint8_t type, std::string_view content) {
    std::string out;
    bx::append_record(out, type, 1, content);
    return out;
}

// All of a request but its body.
std::string head(std::string_view method, bool keep) {
    std::string params{14, static_cast<char>(method.size())};
    params.append("REQUEST_METHOD").append(method);
    params.append(
        "\x0c\x21"
        "CONTENT_TYPEapplication/x-www-form-urlencoded");
    return make_record(bx::record::begin_request, bx::begin_request_content(keep)) +
           make_record(bx::record::params, params) + make_record(bx::record::params, "");
}

std::string stdin_record(std::string_view content) {
    return make_record(bx::record::standard_input, content);
}

std::string get_request(bool keep = true) {
    return head("GET", keep) + stdin_record("");
}

void send(const Fd& peer, std::string_view bytes) {
    BOOST_REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                  static_cast<ssize_t>(bytes.size()));
}

// HEAD and a body of SIZE bytes, as fast as they are taken.
void send_all(const Fd& peer, const std::string& head, std::size_t size) {
    std::string bytes = head;
    for (std::size_t left = size; left > 0;) {
        const std::size_t part = std::min<std::size_t>(left, 60'000);
        bytes += stdin_record(std::string(part, 'x'));
        left -= part;
    }
    bytes += stdin_record("");
    for (std::size_t at = 0; at < bytes.size();) {
        pollfd out{peer.get(), POLLOUT, 0};
        if (::poll(&out, 1, static_cast<int>(patience)) <= 0) return;
        const ssize_t sent = ::send(peer.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return;
        at += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    }
}

bool has_input(const Fd& peer) {
    pollfd in{peer.get(), POLLIN, 0};
    return ::poll(&in, 1, 0) > 0;
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
    // So many that what the first ones leave goes back to the system while the last ones are
    // closed.
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

BOOST_AUTO_TEST_CASE(a_peer_may_send_on_until_it_has_its_answer) {
    serve({});
    const Fd peer = connect();
    send(peer, get_request(false));
    BOOST_TEST(turn_until([&] { return has_input(peer); }));
    send(peer, stdin_record(""));  // as some clients do; closed, it would be a broken pipe
    BOOST_TEST(server->turn());
    send(peer, stdin_record(""));
    BOOST_TEST(receive(peer).find("bxhook: not ready") != std::string::npos);
    BOOST_TEST(receive(peer).empty());
    BOOST_TEST(server->connections() == 1u);
    ::shutdown(peer.get(), SHUT_WR);
    BOOST_TEST(turn_until([&] { return server->connections() == 0; }));
}

BOOST_AUTO_TEST_CASE(a_peer_that_stays_after_its_answer_is_closed) {
    bx::ServerLimits limits;
    limits.linger = 10;
    serve(limits);
    const Fd peer = connect();
    send(peer, get_request(false));
    BOOST_TEST(turn_until([&] { return server->connections() == 0; }));
    BOOST_TEST(!receive(peer).empty());
}

BOOST_AUTO_TEST_CASE(a_peer_that_has_its_answer_makes_room_first) {
    bx::ServerLimits limits;
    limits.connections = 2;
    serve(limits);
    const Fd idle = connect();
    send(idle, get_request(true));
    const Fd answered = connect();
    send(answered, get_request(false));
    BOOST_TEST(turn_until([&] { return has_input(idle) && has_input(answered); }));
    const Fd newcomer = connect_to_listener();
    send(newcomer, get_request(true));
    BOOST_TEST(turn_until([&] { return has_input(newcomer); }));
    BOOST_TEST(server->connections() == 2u);
    receive(idle);
    send(idle, get_request(true));
    BOOST_TEST(turn_until([&] { return has_input(idle); }));
    BOOST_TEST(!receive(idle).empty());
}

BOOST_AUTO_TEST_CASE(an_aborted_request_leaves_a_kept_connection) {
    serve({});
    const Fd peer = connect();
    send(peer, head("POST", true) + make_record(bx::record::abort_request, "") + get_request());
    const std::string end = make_record(bx::record::end_request, std::string(8, '\0'));
    std::string got;
    BOOST_TEST(turn_until([&] {
        got += receive(peer);
        return got.find("bxhook: not ready") != std::string::npos;
    }));
    BOOST_TEST(got.starts_with(end));
    BOOST_TEST(server->connections() == 1u);
}

BOOST_AUTO_TEST_CASE(an_aborted_request_ends_a_connection_that_is_not_kept) {
    serve({});
    const Fd peer = connect();
    send(peer, head("POST", false) + make_record(bx::record::abort_request, "") + "what follows");
    BOOST_TEST(turn_until([&] { return has_input(peer); }));
    BOOST_TEST(receive(peer) == make_record(bx::record::end_request, std::string(8, '\0')));
    BOOST_TEST(receive(peer).empty());
}

BOOST_AUTO_TEST_CASE(a_limit_raised_under_way_accepts_no_body_that_was_cut) {
    serve({});
    const Fd peer = connect();
    const std::string start = "event=ONX&auth[member_id]=m&auth[application_token]=good&a=";
    send(peer, head("POST", false) + stdin_record(start + std::string(3000, 'x')));
    BOOST_TEST(server->turn());
    configure(100'000);
    gateway->refresh_config(true);
    send(peer, stdin_record("&b=c") + stdin_record(""));
    BOOST_TEST(turn_until([&] { return has_input(peer); }));
    BOOST_TEST(receive(peer).find("Status: 413") != std::string::npos);
}

// A connection with a request that has brought SIZE bytes of its body and not its end.
struct Unfinished {
    Unfinished(Fixture& fixture, std::size_t size) : peer(fixture.connect()) {
        send(peer, head("POST", false));
        for (std::size_t left = size; left > 0;) {
            const std::size_t part = std::min<std::size_t>(left, 60'000);
            send(peer, stdin_record(std::string(part, 'x')));
            left -= part;
        }
    }
    Fd peer;
};

BOOST_AUTO_TEST_CASE(unfinished_bodies_share_a_pool_and_hold_up_nobody) {
    configure(1'000'000);
    gateway->refresh_config(true);
    bx::ServerLimits limits;
    limits.pool = 1'000'000;
    serve(limits);
    // What they hold leaves room.
    std::vector<Unfinished> few;
    for (int i = 0; i < 20; ++i) few.emplace_back(*this, 30'000);
    const Fd first = connect();
    std::thread sender([&] { send_all(first, head("POST", false), 400'000); });
    BOOST_TEST(turn_until([&] { return has_input(first); }));
    sender.join();
    BOOST_TEST(receive(first).find("Status: 400") != std::string::npos);
    BOOST_TEST(server->connections() >= few.size());
    // These take all there is, and have to go.
    std::vector<Unfinished> many;
    for (int i = 0; i < 20; ++i) many.emplace_back(*this, 100'000);
    const bx::Millis began = bx::steady_now();
    const Fd second = connect();
    std::thread other([&] { send_all(second, head("POST", false), 400'000); });
    BOOST_TEST(turn_until([&] { return has_input(second); }));
    other.join();
    BOOST_TEST(receive(second).find("Status: 400") != std::string::npos);
    BOOST_TEST(bx::steady_now() - began < 5 * bx::second);
}

BOOST_AUTO_TEST_CASE(bodies_that_together_exceed_the_pool_wait_for_each_other) {
    configure(1'000'000);
    gateway->refresh_config(true);
    bx::ServerLimits limits;
    limits.pool = 100'000;
    serve(limits);
    std::vector<Fd> peers;
    std::vector<std::thread> senders;
    for (int i = 0; i < 5; ++i) peers.push_back(connect());
    for (const Fd& peer : peers) {
        senders.emplace_back([&peer] { send_all(peer, head("POST", false), 400'000); });
    }
    BOOST_TEST(turn_until([&] { return std::ranges::all_of(peers, has_input); }));
    for (std::thread& sender : senders) sender.join();
    for (const Fd& peer : peers) {
        BOOST_TEST(receive(peer).find("Status: 400") != std::string::npos);  // no event in it
    }
}

BOOST_AUTO_TEST_SUITE_END()
