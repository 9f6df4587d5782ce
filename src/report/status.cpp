#include "report/status.h"

#include <algorithm>

namespace bx {

bool StatusReport::is_ok() const {
    return std::ranges::find(problems, Level::error, &Problem::level) == problems.end();
}

std::vector<Count> event_counts(const StoreStatus& store) {
    return {{name_of(EventState::fresh), store.events_new},
            {name_of(EventState::matched), store.events_matched},
            {name_of(EventState::skipped), store.events_skipped}};
}

std::vector<Count> delivery_counts(const StoreStatus& store) {
    return {{name_of(DeliveryState::waiting), store.waiting}, {name_of(DeliveryState::running), store.running},
            {name_of(DeliveryState::done), store.done},       {name_of(DeliveryState::dead), store.dead},
            {name_of(DeliveryState::merged), store.merged},   {name_of(DeliveryState::cancelled), store.cancelled}};
}

std::string text_of(const std::vector<Count>& counts) {
    std::string text;
    for (const Count& count : counts) {
        text.append(text.empty() ? "" : ", ").append(std::to_string(count.value));
        text.append(" ").append(count.name);
    }
    return text;
}

std::string text_without_worker(const StoreStatus& store, const Config& config) {
    if (store.worker_runs) return store.workers.empty() ? "starting" : "";
    return config.worker.auto_start ? "none (the next event starts one)"
                                    : "none ('bxhook work' is one, by systemd or cron)";
}

std::string due_text(const StoreStatus& store, Millis now) {
    std::string text = std::to_string(store.due);
    if (store.oldest_due_at) text += ", the oldest " + relative_time(*store.oldest_due_at, now);
    return text;
}

std::string problem_text(const Problem& problem) {
    const std::string text = to_string(problem);
    const bool tells_fix = problem.level == Level::error && !problem.fix.empty();
    return tells_fix ? text + " (" + problem.fix + ")" : text;
}

}  // namespace bx
