#include "gateway/cgi.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/fd.h"

namespace bx {

namespace {

constexpr int discard_timeout = 5000;  // milliseconds for the next bytes of a body nobody wants

bool is_stdin_ready(int timeout = 0) {
    pollfd in{STDIN_FILENO, POLLIN, 0};
    return ::poll(&in, 1, timeout) > 0;
}

// Reads up to LIMIT bytes of the body.  When CONTENT_LENGTH says how many there are, it does not
// wait for more: not every server ends stdin after them (RFC 3875, 4.2).  Bytes beyond them that
// are there already are read, so that the disagreement shows.
void read_body(Request& request, std::size_t limit) {
    std::size_t expected = request.content_length ? declared_length(request).value_or(0) : limit;
    std::array<char, 65536> chunk;
    while (!request.cut) {
        bool enough = request.body.size() >= expected;
        if (enough && !is_stdin_ready()) return;
        std::size_t wanted = enough ? 1 : std::min(expected, limit) - request.body.size();
        ssize_t got = ::read(STDIN_FILENO, chunk.data(), std::min(wanted, chunk.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) request.broken = true;
        if (got <= 0) return;
        request.body.append(chunk.data(), static_cast<std::size_t>(got));
        request.cut = request.body.size() >= limit;
        if (enough) return;
    }
}

// Discards the rest of a body that was not read to its end: mod_cgid uses a socket, and closing one
// with unread bytes resets it before the answer is read.
void discard_rest(const Request& request) {
    bool until_its_end = !request.content_length && !request.body.empty();
    std::size_t left = until_its_end ? SIZE_MAX : declared_length(request).value_or(0);
    left -= std::min(left, request.body.size());
    std::array<char, 65536> chunk;
    while (left > 0 && is_stdin_ready(discard_timeout)) {
        ssize_t got = ::read(STDIN_FILENO, chunk.data(), std::min(left, chunk.size()));
        if (got <= 0) return;
        left -= static_cast<std::size_t>(got);
    }
}

// They are not closed: a file that is opened next would become fd 0, 1 or 2, and get what others
// write there.
void release_standard_fds() {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) return;
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
}

}  // namespace

int serve_cgi(Gateway& gateway, Log& log) {
    // The worker is started even if the client has gone away.
    std::signal(SIGPIPE, SIG_IGN);
    Request request = request_from([](const char* name) { return std::getenv(name); });
    if (request.method == "POST") read_body(request, gateway.body_limit());
    discard_rest(request);

    bool written = false;
    gateway.handle({&request, 1}, [&](std::size_t, const Answer& answer) {
        // mod_cgi and mod_cgid send SIGTERM when the output ends: the worker is started after that.
        std::signal(SIGTERM, SIG_IGN);
        written = write_all(STDOUT_FILENO, cgi_response(answer));
    });
    if (!written) log.warning("cannot write the answer", {{"peer", request.remote_addr}});
    release_standard_fds();
    log.take_stderr();  // or the web server waits for the end of the old one
    if (gateway.worker_is_due()) gateway.summon_worker();
    return written ? 0 : 1;
}

}  // namespace bx
