#include "worker/live_hooks.h"

#include <algorithm>
#include <utility>

namespace bx {

namespace {

constexpr Millis replace_time = 5 * second;  // for a script to be written again

bool can_run(const HookSet& set, const std::string& name) {
    const Hook* hook = set.find(name);
    return hook && !hook->problem;
}

}  // namespace

void LiveHooks::refresh(const ConfigPtr& config, Millis now) {
    try {
        std::string stamp = HookSet::stamp_of(config->hooks_dir);
        if (config == config_ && stamp == stamp_) return;
        config_ = config;
        stamp_ = std::move(stamp);
        replace(HookSet::load(*config), now);
        if (!problem_.empty()) log_.info("events are matched again");
        problem_.clear();
    } catch (const HooksError& error) {
        report(error.what());
    } catch (const Error& error) {
        stamp_.reset();
        report(error.what());
    }
}

void LiveHooks::report(const std::string& problem) {
    if (problem != problem_) log_.error("events are not matched", {{"problem", problem}});
    problem_ = problem;
}

void LiveHooks::replace(HookSet set, Millis now) {
    std::vector<std::string> gone = now < stable_at_ ? gone_ : std::vector<std::string>();
    for (const Hook& hook : set_.hooks()) {
        if (hook.from_dir && !hook.problem) gone.push_back(hook.name);
    }
    std::erase_if(gone, [&](const std::string& name) { return can_run(set, name); });
    if (gone.empty()) {
        stable_at_ = 0;
    } else if (gone != gone_) {
        stable_at_ = now + replace_time;
        log_.info("a hook's file is gone: events wait for it a moment", {{"hook", gone.front()}});
    }
    gone_ = std::move(gone);
    set_ = std::move(set);
    stamp_ = set_.stamp();
    for (const Problem& warning : set_.warnings()) {
        log_.warning(warning.message, {{"place", warning.place}, {"fix", warning.fix}});
    }
    // Nobody who has only FTP can ask `bxhook check`.
    for (const Hook& hook : set_.hooks()) {
        if (!hook.problem || !hook.from_dir) continue;
        log_.warning("a hook takes no event",
                     {{"program", hook.program}, {"cause", hook.problem->reason}});
    }
}

}  // namespace bx
