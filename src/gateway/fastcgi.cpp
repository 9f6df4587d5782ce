#include "gateway/fastcgi.h"

#include <fcgiapp.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <string>
#include <utility>

#include "base/error.h"

namespace bx {

struct Exchange::Fcgx {
    Fcgx() { FCGX_InitRequest(&request, -1, 0); }
    // Never by FCGX_Finish_r: it would close the connection and wait up to 2 s for the peer.
    ~Fcgx() { FCGX_Free(&request, 0); }
    Fcgx(const Fcgx&) = delete;
    Fcgx& operator=(const Fcgx&) = delete;

    FCGX_Request request;
};

Exchange::Exchange(std::unique_ptr<Fcgx> fcgx, Request request, bool keep)
    : fcgx_(std::move(fcgx)), request_(std::move(request)), keep_(keep) {}
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;
Exchange::~Exchange() = default;

bool Exchange::answer(int fd, const Answer& answer) {
    FCGX_Request& fcgx = fcgx_->request;
    fcgx.ipcFd = fd;
    const std::string response = cgi_response(answer);
    FCGX_PutStr(response.data(), static_cast<int>(response.size()), fcgx.out);
    bool written = FCGX_FClose(fcgx.err) == 0;
    return FCGX_FClose(fcgx.out) == 0 && written;
}

FastcgiDecoder::FastcgiDecoder() {
    if (FCGX_Init() != 0) throw Error("cannot prepare libfcgi");
    // After FCGX_Init, which puts a handler of its own in the place of an ignored SIGPIPE.
    std::signal(SIGPIPE, SIG_IGN);
    connect();
}

void FastcgiDecoder::connect() {
    std::array<int, 2> ends{-1, -1};
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (::socketpair(AF_UNIX, type, 0, ends.data()) != 0) throw_errno("cannot make a socketpair");
    ours_ = Fd(ends[0]);
    theirs_ = Fd(ends[1]);
}

std::optional<Exchange> FastcgiDecoder::decode(RawRequest raw) {
    if (!theirs_) connect();
    std::string stream;
    append_record(stream, record::begin_request, raw.id, begin_request_content(raw.keep));
    if (!raw.params.empty()) append_record(stream, record::params, raw.id, raw.params);
    append_record(stream, record::params, raw.id, {});
    append_record(stream, record::standard_input, raw.id, {});
    bool sent = write_all(ours_.get(), stream);

    auto fcgx = std::make_unique<Exchange::Fcgx>();
    fcgx->request.ipcFd = theirs_.get();
    fcgx->request.keepConnection = 1;  // or FCGX_Accept_r begins by closing ipcFd
    FCGX_Detach(&fcgx->request);       // closes without waiting, should it have to
    if (!sent || FCGX_Accept_r(&fcgx->request) != 0) {
        if (fcgx->request.ipcFd < 0) theirs_.release();  // it was closed
        theirs_.reset();                                 // and what is left in it is of no use
        return std::nullopt;
    }
    bool at_end = FCGX_GetChar(fcgx->request.in) == EOF;
    if (!at_end || FCGX_GetError(fcgx->request.in) != 0) {
        theirs_.reset();
        return std::nullopt;
    }
    char** variables = fcgx->request.envp;
    Request request =
        request_from([variables](const char* name) { return FCGX_GetParam(name, variables); });
    request.body = std::move(raw.body);
    return Exchange(std::move(fcgx), std::move(request), raw.keep);
}

}  // namespace bx
