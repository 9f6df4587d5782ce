#include "gateway/listener.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "gateway/server.h"

namespace bx {

namespace {

// Some descriptors are left for the store, the log and starting a worker.
std::size_t connection_limit() {
    constexpr rlim_t reserved = 64;
    constexpr rlim_t most = 4096;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return ServerLimits{}.connections;
    rlim_t usable = std::clamp<rlim_t>(files.rlim_cur, 2 * reserved, most);
    return static_cast<std::size_t>(usable - reserved);
}

}  // namespace

int serve_fastcgi(Fd listener, Gateway& gateway, Log& log) {
    ServerLimits limits;
    limits.connections = connection_limit();
    Server server(std::move(listener), gateway, log, limits);
    gateway.wake_at_start();
    log.info("serving", {{"connections", limits.connections}});
    server.run();
    log.info("stopped");
    return 0;
}

}  // namespace bx
