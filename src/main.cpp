// Which role this process has: CGI gateway, FastCGI gateway, or a command.
// The only place that catches everything, and the only exit statuses: 0 done, 1 failed, 2 usage;
// those of `run` are its hook's.

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config/config.h"
#include "config/config_file.h"
#include "gateway/cgi.h"
#include "gateway/gateway.h"
#include "gateway/server.h"
#include "gateway/socket.h"
#include "host/core_file.h"

namespace {

enum class Role { cgi, fastcgi, command };

// The environment decides first: a web server passes the query "?show+1" as arguments, and they
// must never reach a command.
Role role_of(int argc) {
    bool cgi =
        std::getenv("GATEWAY_INTERFACE") != nullptr || std::getenv("REQUEST_METHOD") != nullptr;
    if (cgi) return Role::cgi;
    if (argc <= 1 && bx::is_listening_socket(STDIN_FILENO)) return Role::fastcgi;
    return Role::command;
}

int run_gateway(Role role) {
    bx::ignore_write_signals();
    bx::Log log("gateway");
    bx::Gateway::Options options;
    options.one_shot = role == Role::cgi;
    options.log_file = bx::find_log();
    bx::Gateway gateway(bx::find_config(""), options, log);
    if (role == Role::cgi) return bx::serve_cgi(gateway, log);  // as root: 503
    gateway.require_user();
    return bx::serve_fastcgi(bx::Fd(STDIN_FILENO), gateway, log);
}

int run(int argc, char** argv) {
    bx::forbid_core_file();
    Role role = role_of(argc);
    if (role != Role::command) return run_gateway(role);
    std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
    return bx::run_command(args);
}

// One line whatever the text holds: it may quote what came from outside.
int fail(std::string_view why, int status) {
    // What a journal gets is an error there too, as the log's lines are.
    std::string line = bx::LogOutput::is_journal(STDERR_FILENO) ? "<3>bxhook: " : "bxhook: ";
    for (char c : bx::visible(why)) line += c == '\n' ? ' ' : c;
    line += '\n';
    // Where stderr is gone too, or nobody reads it, there is nobody left to tell.
    constexpr bx::Millis patience = bx::second / 2;
    bool told = bx::LogOutput::of(STDERR_FILENO).write(line, patience) == line.size();
    return told ? status : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const bx::UsageError& error) {
        return fail(error.what(), 2);
    } catch (const std::exception& error) {
        return fail(error.what(), 1);
    }
}
