// libFuzzer: what a peer sends to the gateway's loop, through a socketpair.  The store never opens: an
// event with the right token ends as 503, everything before it is the real thing.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "gateway/server.h"
#include "invariants.h"
#include "store/store.h"

namespace {

// Accepts nothing by itself.
bx::Fd deaf_listener() {
    bx::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr address{};  // autobind: a name in no directory
    address.sa_family = AF_UNIX;
    bx::require(::bind(fd.get(), &address, sizeof(sa_family_t)) == 0);
    bx::require(::listen(fd.get(), 1) == 0);
    return fd;
}

std::string config_file() {
    std::string path = "/tmp/bxhook-fuzz-XXXXXX";
    const bx::Fd file(::mkstemp(path.data()));
    bx::require(bx::write_all(file.get(),
                              "store /nowhere/queue.db\nportal {\n member_id m\n token good\n}\n"
                              "limits {\n body 2000\n}\nlog {\n level error\n file /dev/null\n}\n"));
    return path;
}

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

struct Site {
    std::string config = config_file();
    bx::Log log{"gateway"};
    bx::Gateway gateway{config, without_store(), log};
    bx::Server server{deaf_listener(), gateway, log, {}};

    Site() { ::unlink(config.c_str()); }
};

// Every answer is made of whole records of version 1.
void check_answers(int fd) {
    std::string answers;
    std::array<char, 4096> chunk;
    for (ssize_t got; (got = ::read(fd, chunk.data(), chunk.size())) > 0;) {
        answers.append(chunk.data(), static_cast<std::size_t>(got));
    }
    for (std::size_t at = 0; at < answers.size();) {
        auto byte = [&](std::size_t i) { return static_cast<unsigned char>(answers[at + i]); };
        bx::require(answers.size() - at >= 8 && byte(0) == 1);
        at += 8 + byte(4) * 256U + byte(5) + byte(6);
        bx::require(at <= answers.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static Site site;
    std::array<int, 2> ends{-1, -1};
    bx::require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    const bx::Fd ours(ends[0]);
    bx::require(::send(ours.get(), data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
    ::shutdown(ours.get(), SHUT_WR);
    site.server.take_over(bx::Fd(ends[1]));
    while (site.server.connections() > 0) bx::require(site.server.turn());
    check_answers(ours.get());
    return 0;
}
