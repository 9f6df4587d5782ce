#include "cli/health.h"

#include <algorithm>

#include "base/file_system.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/terminal/screen.h"

namespace bx {

namespace {

constexpr Millis patience = 10 * second;       // a worker looks each second
constexpr Millis once_patience = 90 * second;  // cron calls it each minute
constexpr Millis lately = 10 * minute;

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

void check_workers(const StoreStatus& status, const Config& config, Findings& findings) {
    for (const WorkerRecord& worker : status.workers) {
        const std::string place = "worker " + std::to_string(worker.pid) + " on " + worker.host;
        if (!worker.trouble.empty()) {
            findings.error(place, "in trouble: " + printable(worker.trouble, 1000), "");
        }
        if (!worker.config_error.empty()) {
            findings.error(place,
                           printable(worker.config_error, 1000) +
                               " (once mended it is taken up within seconds)",
                           edit_command(config.path));
        }
    }
    if (status.once && !status.once->trouble.empty()) {
        findings.error("'work --once' on " + status.once->host,
                       "left in trouble at " + iso_time(status.once->left_at) + ": " +
                           printable(status.once->trouble, 1000),
                       "");
    }
}

}  // namespace

std::string start_worker_command(const Config& config, const Findings& findings) {
    const bool by_systemd = unit_serves("bxhook-worker.service", config.path);
    return by_systemd ? "systemctl enable --now bxhook-worker" : findings.command("work --once");
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

void check_health(const StoreStatus& status, const Config& config, Millis now,
                  Findings& findings) {
    check_workers(status, config, findings);
    const std::optional<Millis> overdue = overdue_since(status, config, now);
    if (overdue && status.worker_runs) {
        findings.error("worker",
                       "one runs, and work that could be done is due since " + iso_time(*overdue) +
                           ": its log tells more",
                       "");
    } else if (overdue) {
        findings.error("worker", "none runs, and work is due since " + iso_time(*overdue),
                       start_worker_command(config, findings));
    }
    for (const ClockRecord& clock : status.clocks) {
        if (!clock.is_great_step() || now >= clock.wall + clock_trial) continue;
        findings.warning("clock",
                         "was set by " + clock.step_text() + ", to " + iso_time(clock.wall) +
                             ": nothing is deleted until it has gone right for an hour",
                         "");
    }
    if (config.limits.queue_is_nearly_full(status.unfinished)) {
        findings.warning("limits.queue",
                         std::to_string(status.unfinished) + " of " +
                             std::to_string(config.limits.queue) +
                             " events are unfinished: beyond it events are refused with 503",
                         findings.command("status"));
    }
}

}  // namespace bx
