#include "base/log.h"
#include "cli/command.h"
#include "config/config.h"
#include "config/config_file.h"
#include "worker/worker.h"

namespace bx {

namespace {

int run(const Arguments& args) {
    WorkerOptions options;
    options.once = args.has("--once");
    options.detached = args.has("--detach");
    if (options.once && options.detached) {
        throw UsageError("work: --once and --detach exclude each other");
    }
    ignore_write_signals();
    Log log("worker");
    return run_worker(find_config(args.value("--config")), options, log);
}

}  // namespace

Command work_command() {
    Command command;
    command.name = "work";
    command.synopsis = "[--once]";
    command.summary = "run the worker: match events to hooks and run them";
    command.help =
        "Runs until SIGTERM; hooks that run then get worker.shutdown_grace to end.  SIGHUP\n"
        "reloads the config, SIGUSR1 reopens the log.  One worker serves a SQLite store: a\n"
        "second one leaves at once, with exit status 0.  With `worker { start auto }` the\n"
        "gateway starts it by itself.";
    command.options = {
        {"--once", "", "run what is due and leave (for cron)"},
        {"--detach", "", ""},  // in the background, leaving when idle: how the gateway starts it
    };
    command.run = run;
    return command;
}

}  // namespace bx
