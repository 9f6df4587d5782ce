#include "worker/chore_start.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>

#include "base/error.h"
#include "base/fd.h"
#include "host/own_program.h"
#include "host/start_program.h"

namespace bx {

namespace {

// Of the minute that --once has: sync begins none in the last 40 s (sync/chores.h).
constexpr Millis least_left = 42 * second;

}  // namespace

void ChoreStart::look() {
    const Millis now = context_.now;
    const ConfigPtr& config = context_.live.config();
    const bool may = !runs() && !context_.stopping && config && !config->apps.empty();
    const bool late = context_.options.once && end_of_once_.due(now + least_left);
    if (!may || late || !next_.every(second, now)) return;
    const std::optional<Millis> due = chores_.next_chore();
    if (!due || *due > wall_now()) return;
    try {
        start(*config);
    } catch (const std::exception& error) {
        context_.log.error("cannot start sync", {{"cause", error.what()}});
        next_.set(now + minute);
    }
}

void ChoreStart::start(const Config& config) {
    Start start{.program = own_program(),
                .argv = {own_binary(), "sync", "--due", "--config", config.path},
                .env = own_environment(),
                .fds = {null_device, null_device, STDERR_FILENO},
                .dir = "/"};
    if (context_.options.detached) start.argv.emplace_back("--detached");
    if (context_.options.once) {
        const Millis left = end_of_once_.next() - context_.now;
        start.argv.insert(start.argv.end(), {"--once", std::to_string(left)});
    }
    const Started started = start_program(start);
    if (started.error != 0) throw system_error("cannot run '" + start.program + "'", started.error);
    pid_ = started.pid;
}

void ChoreStart::reaped(pid_t pid, int wait_status) {
    if (pid != pid_) return;
    pid_ = -1;
    context_.progress = context_.more = true;  // its posts may be events now
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return;
    if (WIFEXITED(wait_status)) {
        context_.log.warning("sync failed, 'bxhook sync' shows why",
                             {{"exit", WEXITSTATUS(wait_status)}});
    } else if (!context_.stopping) {
        context_.log.warning("sync was ended", {{"signal", WTERMSIG(wait_status)}});
    }
    next_.set(context_.now + minute);
}

void ChoreStart::end() {
    if (runs()) ::kill(pid_, SIGTERM);
}

}  // namespace bx
