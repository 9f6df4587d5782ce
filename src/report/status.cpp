#include "report/status.h"

#include <algorithm>

namespace bx {

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok: return "ok";
        case Verdict::attention: return "attention";
        case Verdict::failing: return "failing";
    }
    return "failing";
}

Verdict StatusReport::verdict() const {
    if (problems.empty()) return Verdict::ok;
    const bool failing = std::ranges::any_of(
        problems, [](const Problem& problem) { return problem.level == Level::error; });
    return failing ? Verdict::failing : Verdict::attention;
}

bool StatusReport::is_ok() const {
    return verdict() == Verdict::ok || (verdict() == Verdict::attention && !strict);
}

std::vector<Count> event_counts(const StoreStatus& store) {
    return {{name_of(EventState::fresh), store.events_new},
            {name_of(EventState::matched), store.events_matched},
            {name_of(EventState::skipped), store.events_skipped}};
}

std::vector<Count> delivery_counts(const StoreStatus& store) {
    return {{name_of(DeliveryState::waiting), store.waiting},
            {name_of(DeliveryState::running), store.running},
            {name_of(DeliveryState::done), store.done},
            {name_of(DeliveryState::dead), store.dead},
            {name_of(DeliveryState::merged), store.merged},
            {name_of(DeliveryState::cancelled), store.cancelled}};
}

std::vector<Count> installation_counts(const InstallationCounts& counts) {
    return {{name_of(InstallationState::pending), counts.pending},
            {name_of(InstallationState::active), counts.active},
            {name_of(InstallationState::broken), counts.broken},
            {name_of(InstallationState::gone), counts.gone}};
}

std::string counts_text(const std::vector<Count>& counts) {
    std::string text;
    for (const Count& count : counts) {
        text.append(text.empty() ? "" : ", ").append(std::to_string(count.value));
        text.append(" ").append(count.name);
    }
    return text;
}

std::string text_without_worker(const StoreStatus& store, const Config& config) {
    if (store.worker_runs) return store.workers.empty() ? "starting" : "";
    return config.worker.auto_start ? "none running (the next event starts one)"
                                    : "none running (start it with systemd or cron)";
}

std::string due_text(const StoreStatus& store, Millis now) {
    std::string text = std::to_string(store.due);
    if (store.oldest_due_at) text += ", the oldest " + relative_time(*store.oldest_due_at, now);
    return text;
}

std::string problem_text(const Problem& problem) {
    const std::string text = to_string(problem);
    return problem.fix.empty() ? text : text + " (fix: " + problem.fix + ")";
}

}  // namespace bx
