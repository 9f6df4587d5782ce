#include "report/health.h"

#include <algorithm>
#include <span>

#include "base/escape.h"
#include "base/shell.h"
#include "host/systemd_unit.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr Millis patience = 10 * second;       // a worker looks each second
constexpr Millis once_patience = 90 * second;  // cron calls it each minute
constexpr Millis lately = 10 * minute;
constexpr std::size_t shown_lanes = 5;

const HookSettings& settings_of(const Config& config, const std::string& hook) {
    const auto block = std::ranges::find(config.hooks, hook, &HookBlock::name);
    return block == config.hooks.end() ? config.defaults : block->settings;
}

// True when no worker stays, and a `work --once` is there or was a moment ago.
bool only_once_works(const StoreStatus& status, Millis now) {
    if (!std::ranges::all_of(status.workers, &WorkerRecord::once)) return false;
    return !status.workers.empty() || (status.once && now - status.once->left_at < lately);
}

// What is due may start at once: the worker has a slot for it.
bool has_slot(const StoreStatus& status, const Config& config, const HookCounts& hook) {
    const HookSettings& settings = settings_of(config, hook.hook);
    if (settings.disabled) return false;
    if (!status.worker_runs) return true;
    const auto workers = static_cast<std::int64_t>(std::max<std::size_t>(status.workers.size(), 1));
    return status.running < workers * config.worker.concurrency &&
           hook.running < settings.concurrency;
}

void judge_workers(const StoreStatus& status, const Config& config,
                   std::vector<Problem>& problems) {
    for (const WorkerRecord& worker : status.workers) {
        const std::string place = "worker " + std::to_string(worker.pid) + " on " + worker.host;
        if (!worker.trouble.empty()) {
            problems.push_back(
                {Level::error, place, "in trouble: " + printable(worker.trouble, 1000), ""});
        }
        if (!worker.config_error.empty()) {
            problems.push_back({Level::error, place,
                                printable(worker.config_error, 1000) +
                                    " (once mended it is taken up within seconds)",
                                edit_command(config.path)});
        }
    }
    if (status.once && !status.once->trouble.empty()) {
        problems.push_back({Level::error, "'work --once' on " + status.once->host,
                            "left in trouble at " + iso_time(status.once->left_at) + ": " +
                                printable(status.once->trouble, 1000),
                            ""});
    }
}

Problem overdue(const StoreStatus& status, const Config& config, Millis since,
                const OwnCommands& commands) {
    if (status.worker_runs) {
        return {Level::error, "worker",
                "one runs, and work that could be done is due since " + iso_time(since) +
                    ": its log tells more",
                ""};
    }
    return {Level::error, "worker", "none runs, and work is due since " + iso_time(since),
            start_worker_command(config, commands)};
}

void judge_clocks(const StoreStatus& status, Millis now, std::vector<Problem>& problems) {
    for (const ClockRecord& clock : status.clocks) {
        if (!clock.is_large_step() || now >= clock.wall + clock_trial) continue;
        problems.push_back({Level::warning, "clock",
                            "was set by " + clock.step_text() + ", to " + iso_time(clock.wall) +
                                ": nothing is deleted until it has gone right for an hour",
                            ""});
    }
}

Problem standing_lane(const BlockedLane& lane, const OwnCommands& commands) {
    const std::string name = to_string(DeliveryName{lane.event, lane.hook});
    return {Level::warning, name,
            "its lane stands still since " + iso_time(lane.since) + ": " + printable(lane.reason) +
                "; " + std::to_string(lane.behind) +
                " wait behind it, until its hook is mended or it is given up ('bxhook show " +
                name + "' tells more)",
            commands.line("cancel " + name)};
}

}  // namespace

std::string start_worker_command(const Config& config, const OwnCommands& commands) {
    const bool by_systemd = unit_serves("bxhook-worker.service", config.path);
    return by_systemd ? "systemctl enable --now bxhook-worker" : commands.line("work --once");
}

std::optional<Millis> overdue_since(const StoreStatus& status, const Config& config, Millis now) {
    Millis oldest = status.oldest_new_at.value_or(now);
    for (const HookCounts& hook : status.hooks) {
        if (!hook.oldest_due_at || !has_slot(status, config, hook)) continue;
        oldest = std::min(oldest, *hook.oldest_due_at);
    }
    if (now - oldest <= (only_once_works(status, now) ? once_patience : patience)) {
        return std::nullopt;
    }
    return oldest;
}

Health judge_health(const StoreStatus& status, const Config& config, Millis now,
                    const OwnCommands& commands) {
    Health health{{}, overdue_since(status, config, now)};
    judge_workers(status, config, health.problems);
    if (health.overdue_since) {
        health.problems.push_back(overdue(status, config, *health.overdue_since, commands));
    }
    judge_clocks(status, now, health.problems);
    if (config.limits.queue_is_nearly_full(status.unfinished)) {
        health.problems.push_back(
            {Level::warning, "limits.queue",
             std::to_string(status.unfinished) + " of " + std::to_string(config.limits.queue) +
                 " events are unfinished: beyond it events are refused with 503",
             commands.line("status")});
    }
    return health;
}

std::vector<Problem> judge_deliveries(const StoreStatus& status, const OwnCommands& commands) {
    std::vector<Problem> problems;
    // A delivery that fails alone holds up nobody, and is tried again.
    std::vector<BlockedLane> blocked = status.blocked;
    std::erase_if(blocked, [](const BlockedLane& lane) { return lane.behind == 0; });
    const std::size_t shown = std::min(blocked.size(), shown_lanes);
    for (const BlockedLane& lane : std::span(blocked).first(shown)) {
        problems.push_back(standing_lane(lane, commands));
    }
    if (blocked.size() > shown) {
        problems.push_back({Level::warning, "lanes",
                            std::to_string(blocked.size() - shown) + " more stand still",
                            commands.line("status")});
    }
    if (status.dead > 0) {
        problems.push_back({Level::warning, "deliveries",
                            std::to_string(status.dead) +
                                " are dead: given up ('bxhook list --state dead' tells why); when "
                                "their hook is mended",
                            commands.line("retry --state dead")});
    }
    return problems;
}

}  // namespace bx
