#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "cli/command.h"
#include "cli/open.h"
#include "config/config.h"
#include "config/config_file.h"
#include "gateway/gateway.h"
#include "gateway/server.h"
#include "gateway/signals.h"
#include "gateway/socket.h"
#include "host/store_owner.h"

namespace bx {

namespace {

constexpr std::string_view unix_prefix = "unix:";

// --listen, else systemd's socket, else fd 0.
Fd take_listener(const Arguments& args) {
    std::string address = args.value("--listen");
    std::string group = args.value("--group");
    if (args.has("--listen")) {
        if (!address.starts_with(unix_prefix) || address.size() == unix_prefix.size()) {
            throw UsageError("serve: --listen takes unix:PATH, not '" + address + "'");
        }
        return open_listener(address.substr(unix_prefix.size()), group);
    }
    if (args.has("--group")) throw UsageError("serve: --group needs --listen");
    if (Fd socket = systemd_socket()) return socket;
    if (is_listening_socket(STDIN_FILENO)) return Fd(STDIN_FILENO);
    throw Error("cannot serve: no socket from systemd, none on fd 0: give --listen unix:PATH");
}

int serve(const Arguments& args) {
    ignore_write_signals();
    Log log("gateway");
    log.take_stderr();
    // From the moment the socket is seen a signal must not end us by its default.
    block_gateway_signals();
    // The socket before the gateway: it is made, and given to its group, while we may be root.
    // Whoever will not be let to serve makes no socket either.
    std::string config = find_config(args.value("--config"));
    if (::geteuid() == 0) {
        const ConfigPtr loaded = config_of(args, ConfigPart::gateway);
        require_store_owner(loaded->store.worker_files, loaded->writers);
    }
    Fd listener = take_listener(args);
    Gateway gateway(config, {}, log);
    gateway.require_user();
    return serve_fastcgi(std::move(listener), gateway, log);
}

}  // namespace

Command serve_command() {
    Command command;
    command.name = "serve";
    command.summary = "the gateway: take events from the web server over FastCGI";
    command.help = R"(
Takes events from the web server over FastCGI, verifies them and stores them; the
worker ('bxhook work') runs the hooks.  It listens on the socket of --listen, else on
the one systemd hands over (LISTEN_FDS), else on fd 0 (mod_fcgid, spawn-fcgi, lighttpd).

A socket it makes has mode 0660.  Started as root it makes the socket (in a directory
of another user as that user), then becomes the owner of the store's directory; when it
cannot, or the config cannot be used, it ends.

SIGHUP reads the config again, SIGUSR1 reopens the log file, SIGTERM stops.

  bxhook serve --listen unix:/run/bxhook/bxhook.sock --group www-data
)";
    command.options = {
        {"--listen", "unix:PATH", "make this socket; an old one nobody listens on is replaced"},
        {"--group", "GROUP", "give the socket to this group, the web server's"},
    };
    command.run = serve;
    return command;
}

}  // namespace bx
