#include "report/health.h"

#include <algorithm>
#include <cstdlib>
#include <span>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "config/hook_name.h"
#include "host/systemd_unit.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr Millis patience = 10 * second;       // a worker looks each second
constexpr Millis once_patience = 90 * second;  // cron calls it each minute
constexpr Millis throttle_patience = 10 * minute;  // a burst behind a limit that is meant to hold it up
constexpr Millis lately = 10 * minute;
constexpr std::int64_t failures_to_tell = 3;
constexpr std::size_t shown_at_most = 5;       // of lanes, and of hooks

// What keeps a hook's due deliveries from starting.
enum class Slot {
    free,        // nothing: a worker that is there starts one at once
    hook_full,   // the hook has as many runs as its `concurrency` allows
    worker_full, // the same of the workers
    withheld,    // the hook is disabled, or stopped
};

std::int64_t runs_at_once(const StoreStatus& status, const Config& config) {
    const auto workers = static_cast<std::int64_t>(std::max<std::size_t>(status.workers.size(), 1));
    return workers * config.worker.concurrency;
}

bool is_withheld(const std::string& hook, const Config& config, const Known& known) {
    return settings_of(config, hook).disabled ||
           std::ranges::find(known.stopped, hook) != known.stopped.end();
}

Slot slot_of(const HookCounts& hook, const StoreStatus& status, const Config& config,
             const Known& known) {
    if (is_withheld(hook.hook, config, known)) return Slot::withheld;
    if (!status.worker_runs) return Slot::free;
    if (status.running >= runs_at_once(status, config)) return Slot::worker_full;
    return hook.running < settings_of(config, hook.hook).concurrency ? Slot::free : Slot::hook_full;
}

// True when no worker stays, and a `work --once` is there or was a moment ago.
bool only_once_works(const StoreStatus& status, Millis now) {
    if (!std::ranges::all_of(status.workers, &WorkerRecord::once)) return false;
    return !status.workers.empty() || (status.once && now - status.once->left_at < lately);
}

// ERROR is what a worker reports.  Of two hooks that have one name it may have seen other dates.
bool is_known(const std::string& error, const Known& known) {
    return std::ranges::find(known.problems, error) != known.problems.end() ||
           std::ranges::any_of(known.stopped, [&](const std::string& hook) {
               return error.starts_with(two_hooks_named(hook) + ":");
           });
}

// What WORKER, which is PLACE, reports of configuration and hooks, and was not found when they were
// just read.  It looks again each second: after a change that is what it read before, else what it
// alone cannot read.
Problem complaint_of(const WorkerRecord& worker, const std::string& place, const Config& config,
                     Millis now, const Known& known) {
    const std::string error = printable(worker.config_error, 4000);
    // A change of the future is one before the clock was set back.
    const bool just_changed = std::abs(now - known.changed_at) <= patience;
    if (worker.host == known.read_on && just_changed) {
        return {Level::warning, place,
                "still reports what it read before; it looks again within seconds: " + error,
                show_log_command(config)};
    }
    const bool of_hooks = error.find(printable(config.hooks_dir, 4000)) != std::string::npos;
    return {Level::error, place,
            "cannot use configuration or hooks: " + error +
                "; once that is fixed it continues within seconds",
            of_hooks ? "ls -l " + shell_word(config.hooks_dir) : edit_command(config.path)};
}

void judge_workers(const StoreStatus& status, const Config& config, Millis now,
                   const Known& known, std::vector<Problem>& problems) {
    for (const WorkerRecord& worker : status.workers) {
        const std::string place = "worker " + std::to_string(worker.pid) + " on " + worker.host;
        if (!worker.config_error.empty() && !is_known(worker.config_error, known)) {
            problems.push_back(complaint_of(worker, place, config, now, known));
        }
        if (!worker.trouble.empty()) {
            problems.push_back({Level::warning, place,
                                "in trouble: " + printable(worker.trouble, 4000),
                                show_log_command(config)});
        }
    }
    if (status.once && !status.once->trouble.empty()) {
        problems.push_back({Level::warning, "'work --once' on " + status.once->host,
                            "ended in trouble at " + iso_time(status.once->left_at) + ": " +
                                printable(status.once->trouble, 4000),
                            show_log_command(config)});
    }
}

Problem overdue(const StoreStatus& status, const Config& config, Millis since,
                const OwnCommands& commands) {
    if (status.worker_runs) {
        return {Level::error, "worker",
                "one is running, but work that it could do has been due since " + iso_time(since) +
                    ": its log shows why",
                show_log_command(config)};
    }
    return {Level::error, "worker",
            "none is running, and work has been due since " + iso_time(since),
            start_worker_command(config, commands)};
}

// How long what is due may wait for a run of HOOK to end: a `concurrency` below the worker's is set
// to slow the hook down, so that a burst waits as it should.
Millis slot_patience(const std::string& hook, const Config& config) {
    const bool is_throttle = settings_of(config, hook).concurrency < config.worker.concurrency;
    return is_throttle ? throttle_patience : patience;
}

// The hook that alone has all the runs that the workers may have, while others wait too; null: none.
const HookCounts* hook_with_all_runs(const StoreStatus& status, const Config& config) {
    const auto has_all = [&](const HookCounts& hook) { return hook.running >= status.running; };
    const auto found = std::ranges::find_if(status.hooks, has_all);
    if (found == status.hooks.end()) return nullptr;
    const bool holds_up_others = std::ranges::any_of(status.hooks, [&](const HookCounts& hook) {
        return hook.hook != found->hook && hook.oldest_due_at;
    });
    const bool may_have_all = settings_of(config, found->hook).concurrency >=
                              config.worker.concurrency;
    return holds_up_others && may_have_all && config.worker.concurrency > 1 ? &*found : nullptr;
}

// What to do where the workers run as much as they may.
std::string advice_on_full_workers(const StoreStatus& status, const Config& config) {
    const HookCounts* hook = hook_with_all_runs(status, config);
    if (hook == nullptr) return "raise its `concurrency`, or make hooks faster";
    return "all are of the hook " + printable(hook->hook) + ": give that a `concurrency` below the "
           "worker's, so that others run beside it, or raise the worker's";
}

// Deliveries that are due and wait only because enough others run.
void judge_slots(const StoreStatus& status, const Config& config, Millis now, const Known& known,
                 std::vector<Problem>& problems) {
    std::optional<Millis> workers_since;
    std::size_t shown = 0;
    for (const HookCounts& hook : status.hooks) {
        if (!hook.oldest_due_at || now - *hook.oldest_due_at <= patience) continue;
        const Slot slot = slot_of(hook, status, config, known);
        if (slot == Slot::worker_full) {
            workers_since = std::min(workers_since.value_or(now), *hook.oldest_due_at);
        } else if (slot == Slot::hook_full) {
            const bool is_late = now - *hook.oldest_due_at > slot_patience(hook.hook, config);
            if (!is_late || ++shown > shown_at_most) continue;
            problems.push_back(
                {Level::warning, "hook " + printable(hook.hook),
                 "deliveries have been due since " + iso_time(*hook.oldest_due_at) +
                     ", and as many runs as it may have at a time (" +
                     std::to_string(hook.running) +
                     ") are under way: raise its `concurrency`, or make it faster",
                 edit_command(config.path)});
        }
    }
    if (!workers_since) return;
    problems.push_back({Level::warning, "worker: concurrency",
                        "deliveries have been due since " + iso_time(*workers_since) +
                            ", and as many runs as the worker may have at a time (" +
                            std::to_string(status.running) + ") are under way: " +
                            advice_on_full_workers(status, config),
                        edit_command(config.path)});
}

// A delivery that fails alone holds up nobody, and is tried again.
void judge_lanes(const StoreStatus& status, const OwnCommands& commands,
                 std::vector<Problem>& problems) {
    std::vector<BlockedLane> blocked = status.blocked;
    std::erase_if(blocked, [](const BlockedLane& lane) { return lane.behind == 0; });
    const std::size_t shown = std::min(blocked.size(), shown_at_most);
    for (const BlockedLane& lane : std::span(blocked).first(shown)) {
        const std::string name = to_string(DeliveryName{lane.event, lane.hook});
        problems.push_back(
            {Level::warning, name,
             "has failed since " + iso_time(lane.since) + " (" + printable(lane.reason) +
                 "), and " +
                 counted(lane.behind, "later delivery of the same entity waits",
                         "later deliveries of the same entity wait") +
                 " for it ('bxhook show " + name +
                 "' shows why); it is retried by itself; once the hook works, this runs it now",
             commands.line("retry " + name)});
    }
    if (blocked.size() > shown) {
        const auto more = static_cast<std::int64_t>(blocked.size() - shown);
        problems.push_back({Level::warning, "lanes",
                            counted(more, "more is", "more are") +
                                " blocked: 'bxhook status' lists them; once the hooks work, this "
                                "runs all that wait now",
                            commands.line("retry --state waiting")});
    }
}

// Not those that were retried with success, cancelled or deleted.
void judge_dead(const StoreStatus& status, const OwnCommands& commands,
                std::vector<Problem>& problems) {
    std::size_t shown = 0;
    for (const HookCounts& hook : status.hooks) {
        if (hook.newly_dead() == 0 || ++shown > shown_at_most) continue;
        problems.push_back({Level::warning, "hook " + printable(hook.hook),
                            counted(hook.newly_dead(), "delivery", "deliveries") +
                                " died in the last hour ('bxhook list --state dead' shows why); "
                                "once the hook works, this runs its dead ones again",
                            commands.line("retry --state dead --hook " + shell_word(hook.hook))});
    }
}

// One that fails now and then is tried again; one that only fails needs a person.  What died, or holds
// up others, is said already; of one that may not run nothing is retried.
void judge_failing(const StoreStatus& status, const Config& config, const OwnCommands& commands,
                   const Known& known, std::vector<Problem>& problems) {
    std::size_t shown = 0;
    for (const HookCounts& hook : status.hooks) {
        const bool only_fails = hook.failed_1h >= failures_to_tell && hook.done_1h == 0;
        const bool said = hook.newly_dead() > 0 ||
                          std::ranges::any_of(status.blocked, [&](const BlockedLane& lane) {
                              return lane.hook == hook.hook && lane.behind > 0;
                          });
        if (!only_fails || said || hook.waiting == 0) continue;
        if (is_withheld(hook.hook, config, known) || ++shown > shown_at_most) continue;
        const std::string name = shell_word(hook.hook);
        problems.push_back(
            {Level::warning, "hook " + printable(hook.hook),
             "all " + std::to_string(hook.failed_1h) + " runs of the last hour failed ('bxhook list "
                 "--state waiting --hook " + name + "' shows why); they are retried by themselves; "
                 "once the hook works, this runs them now",
             commands.line("retry --state waiting --hook " + name)});
    }
}

void judge_clocks(const StoreStatus& status, Millis now, std::vector<Problem>& problems) {
    for (const ClockRecord& clock : status.clocks) {
        if (!clock.is_large_step() || now >= clock.wall + clock_trial) continue;
        problems.push_back({Level::warning, "clock",
                            "was set by " + clock.step_text() + ", to " + iso_time(clock.wall) +
                                ": nothing is deleted until it has been right for an hour",
                            ""});
    }
}

void judge_queue(const StoreStatus& status, const Config& config, const OwnCommands& commands,
                 std::vector<Problem>& problems) {
    if (!config.limits.queue_is_nearly_full(status.unfinished)) return;
    problems.push_back({Level::warning, "limits.queue",
                        std::to_string(status.unfinished) + " of " +
                            std::to_string(config.limits.queue) +
                            " events are unfinished: at the limit new ones are refused with 503; "
                            "this lists what waits",
                        commands.line("list --state waiting")});
}

}  // namespace

std::string start_worker_command(const Config& config, const OwnCommands& commands) {
    const bool by_systemd = unit_serves("bxhook-worker.service", config.path);
    return by_systemd ? "systemctl enable --now bxhook-worker" : commands.line("work --once");
}

std::string show_log_command(const Config& config) {
    const bool by_systemd = unit_serves("bxhook-worker.service", config.path);
    if (config.log.file.empty() && by_systemd) return "journalctl -n 50 -u bxhook-worker";
    if (config.log.file.empty() && !config.worker.auto_start) return "look into the worker's log";
    const std::string own = directory_of(config.store.worker_files) + "/bxhook.log";
    return "tail -n 50 " + shell_word(config.log.file.empty() ? own : config.log.file);
}

std::optional<Millis> overdue_since(const StoreStatus& status, const Config& config, Millis now,
                                    const Known& known) {
    Millis oldest = status.oldest_new_at.value_or(now);
    for (const HookCounts& hook : status.hooks) {
        if (!hook.oldest_due_at) continue;
        if (slot_of(hook, status, config, known) != Slot::free) continue;
        oldest = std::min(oldest, *hook.oldest_due_at);
    }
    if (now - oldest <= (only_once_works(status, now) ? once_patience : patience)) {
        return std::nullopt;
    }
    return oldest;
}

Health judge_health(const StoreStatus& status, const Config& config, Millis now,
                    const OwnCommands& commands, const Known& known) {
    Health health{{}, overdue_since(status, config, now, known)};
    std::vector<Problem>& problems = health.problems;
    if (health.overdue_since) {
        problems.push_back(overdue(status, config, *health.overdue_since, commands));
    }
    judge_workers(status, config, now, known, problems);
    judge_slots(status, config, now, known, problems);
    judge_lanes(status, commands, problems);
    judge_dead(status, commands, problems);
    judge_failing(status, config, commands, known, problems);
    judge_clocks(status, now, problems);
    judge_queue(status, config, commands, problems);
    return health;
}

std::optional<Problem> judge_old_dead(const StoreStatus& status, const OwnCommands& commands) {
    std::int64_t old = status.dead;
    for (const HookCounts& hook : status.hooks) old -= hook.newly_dead();
    if (old <= 0) return std::nullopt;
    return Problem{Level::warning, "deliveries",
                   counted(old, "is", "are") +
                       " dead: given up, and kept until the retention ends; 'bxhook retry N/HOOK' "
                       "runs one again, and this lists them",
                   commands.line("list --state dead")};
}

}  // namespace bx
