#include "worker/live_hooks.h"

#include <algorithm>
#include <utility>

#include "host/own_commands.h"

namespace bx {

namespace {

constexpr Millis replace_time = 5 * second;  // for a script to be written again

bool can_run(const HookSet& set, const std::string& name) {
    const Hook* hook = set.find(name);
    return hook && !hook->problem && hook->put_aside.empty();
}

// A file *.disabled that has been there for long says nothing of the script that went.
bool was_renamed(const HookSet& before, const HookSet& after, const std::string& name) {
    return std::ranges::any_of(after.disabled_files(), [&](const auto& file) {
        return file.first == name && !before.disabled_files().contains(file);
    });
}

}  // namespace

void LiveHooks::refresh(const ConfigPtr& config, Millis now) {
    end_waiting(now);
    if (!watch_.watching(config->hooks_dir)) watch_.begin(config->hooks_dir);
    try {
        std::string stamp = HookSet::stamp_of(config->hooks_dir);
        if (config == config_ && stamp == stamp_) return;
        config_ = config;
        stamp_ = std::move(stamp);
        replace(HookSet::load(*config), now);
        if (!unreadable_.empty()) log_.info("events are matched again");
        unreadable_.clear();
    } catch (const Error& error) {
        stamp_.reset();
        report(error.what());
    }
}

void LiveHooks::refresh_if_changed(const ConfigPtr& config, Millis now) {
    end_waiting(now);
    const bool unchanged = watch_.unchanged(config->hooks_dir);
    if (!unchanged || config != config_ || !stamp_) refresh(config, now);
}

void LiveHooks::report(const std::string& problem) {
    if (problem != unreadable_) log_.error("events are not matched", {{"problem", problem}});
    unreadable_ = problem;
}

const std::string& LiveHooks::problem() const {
    return unreadable_.empty() && !duplicates_.empty() ? duplicates_.begin()->second : unreadable_;
}

std::span<const Hook> LiveHooks::gone(Millis now) const {
    return now < gone_until_ ? std::span<const Hook>(gone_) : std::span<const Hook>();
}

void LiveHooks::replace(HookSet set, Millis now) {
    note_gone(set, now);
    set_ = std::move(set);
    stamp_ = set_.stamp();
    note_duplicates();
    warned_ = false;
}

// SET is to replace set_.
void LiveHooks::note_gone(const HookSet& set, Millis now) {
    std::vector<Hook> gone = std::move(gone_);
    const std::size_t known = gone.size();
    for (const Hook& hook : set_.hooks()) {
        if (hook.from_dir && can_run(set_, hook.name)) gone.push_back(hook);
    }
    const auto back = [&](const Hook& hook) {
        return can_run(set, hook.name) || was_renamed(set_, set, hook.name);
    };
    const bool more = !std::all_of(gone.begin() + static_cast<std::ptrdiff_t>(known), gone.end(),
                                   back);
    std::erase_if(gone, back);
    gone_ = std::move(gone);
    if (gone_.empty()) {
        gone_until_ = 0;
    } else if (more) {
        gone_until_ = now + replace_time;
        log_.info("a hook cannot run any more: its events wait for its file",
                  {{"hook", gone_.back().name}, {"for", duration_text(replace_time)}});
    }
}

void LiveHooks::end_waiting(Millis now) {
    if (gone_.empty() || now < gone_until_) return;
    for (const Hook& hook : gone_) {
        log_.info("a hook did not come back: events are matched without it",
                  {{"hook", hook.name},
                   {"fix", "when it is back: " +
                               OwnCommands().line("retry --missed " + hook.name +
                                                  " --from 12h --yes")}});
    }
    gone_.clear();
    gone_until_ = 0;
}

// Says what came and what went.
void LiveHooks::note_duplicates() {
    std::map<std::string, std::string> found;
    for (const Problem& duplicate : set_.duplicates()) {
        found.emplace(duplicate.place, duplicate.message);
    }
    for (const auto& [place, message] : found) {
        if (duplicates_.contains(place)) continue;
        log_.error(place + " does not run", {{"problem", message}});
    }
    for (const auto& [place, message] : duplicates_) {
        if (!found.contains(place)) report_end_of_duplicates(place);
    }
    duplicates_ = std::move(found);
}

// PLACE, "hook NAME", had two hooks and has one now, or none that can run.
void LiveHooks::report_end_of_duplicates(const std::string& place) {
    if (can_run(set_, place.substr(place.find(' ') + 1))) {
        log_.info(place + " runs again: no other hook has its name");
    } else {
        log_.info(place + " still does not run: no file that can run has its name now");
    }
}

// Nobody who has only FTP can ask `bxhook check`.
void LiveHooks::log_warnings() {
    if (std::exchange(warned_, true)) return;
    std::set<std::string> found;
    const auto is_new = [&](const std::string& place, const std::string& what) {
        const std::string warning = place + ": " + what;
        found.insert(warning);
        return !warnings_.contains(warning);
    };
    for (const Problem& warning : set_.warnings()) {
        if (!is_new(warning.place, warning.message)) continue;
        log_.warning(warning.message, {{"place", warning.place}, {"fix", warning.fix}});
    }
    for (const Hook& hook : set_.hooks()) {
        if (!hook.problem || !hook.from_dir) continue;
        if (!is_new(hook.program, hook.problem->reason)) continue;
        log_.warning("a hook cannot run, so it takes no event",
                     {{"program", hook.program}, {"cause", hook.problem->reason}});
    }
    warnings_ = std::move(found);
}

}  // namespace bx
