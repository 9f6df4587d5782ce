// What the worker's loop does beside running hooks.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "worker/loop.h"

namespace bx {

namespace {

// Of the lease: how often it is renewed in its time, and what of it is kept for ending runs:
// kill_delay, and an answer of the store that is waited for in vain.
constexpr Millis renewals = 10;
constexpr Millis lease_margin = kill_delay + 3 * second;

constexpr Millis scrub_limit = 50 * second;  // the contract's minute, with room for the work itself

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
    return name.data();
}

}  // namespace

void Loop::keep_house() {
    if (now_ >= second_at_) {
        second_at_ = now_ + second;
        save_outputs();
    }
    if (now_ >= minute_at_) {
        minute_at_ = now_ + minute;
        pruning_ = capping_ = unscrubbed_ = true;
    }
    if ((pruning_ || capping_) && now_ >= step_at_) {
        if (capping_) cap_waits();
        if (pruning_) prune();
        step_at_ = steady_now() + step_pause;
    }
    scrub();
}

void Loop::obey_kill_requests() {
    for (const DeliveryName& name : store_.runs().kill_requests()) {
        runs_.end(name.event, name.hook, AttemptResult::cancelled, now_);
    }
}

void Loop::save_outputs() {
    for (const std::unique_ptr<Run>& run : runs_.all()) {
        if (!run->take_unsaved()) continue;
        try {
            store_.runs().save_output(run->event(), run->hook(), run->attempt(),
                               run->process()->out().take(), run->process()->err().take());
        } catch (const StoreDataError& error) {  // it is tried again with the run's end
            log_.warning("cannot keep the output so far",
                         {{"event", run->event()}, {"hook", run->hook()}, {"cause", error.what()}});
        }
    }
}

WorkerRecord Loop::record() const {
    WorkerRecord record = shown_;
    if (record.pid == 0) {
        record.host = host_name();
        record.pid = ::getpid();
        record.version = BXHOOK_VERSION;
        record.since = wall_now();
        record.once = options_.once;
    }
    record.running = static_cast<int>(runs_.size());
    record.config_error = config_file_.error().empty() ? hooks_.problem() : config_file_.error();
    record.trouble = given_up_;
    if (in_lasting_trouble()) record.trouble = trouble_;
    return record;
}

void Loop::show_worker() {
    WorkerRecord record = this->record();
    const std::optional<Millis> lease = store_.workers().lease();
    const bool changed = record.pid != shown_.pid || record.running != shown_.running ||
                         record.config_error != shown_.config_error ||
                         record.trouble != shown_.trouble;
    if (!changed && !(lease && now_ >= shown_at_ + *lease / renewals)) return;
    const Millis begun = steady_now();
    store_.workers().register_worker(record);
    shown_ = std::move(record);
    shown_at_ = begun;
    if (lease) starts_until_ = begun + *lease - lease_margin;
    cut_off_ = false;
}

// A worker that cannot reach the store ends what it runs while that is still its own.
void Loop::watch_lease() {
    if (now_ < starts_until_ || runs_.size() == 0) return;
    if (!cut_off_) {
        log_.error("cannot renew the lease: ending all runs", {{"running", runs_.size()}});
    }
    cut_off_ = true;
    runs_.end_all(AttemptResult::interrupted, now_);
}

// What it runs, and what has ended and is not recorded yet.
std::vector<DeliveryName> Loop::ours() const {
    std::vector<DeliveryName> names;
    for (const std::unique_ptr<Run>& run : runs_.all()) {
        names.push_back({run->event(), run->hook()});
    }
    for (const Finish& finish : finishes_) names.push_back({finish.event, finish.hook});
    return names;
}

// Deliveries that are `running`, but not by us: a dead worker's, at the start; later those of a
// claim whose commit was reported as failed and was not.
void Loop::adopt_orphans() {
    const ConfigPtr& config = config_file_.current();
    if (!config) return;
    const std::optional<Millis> lease = store_.workers().lease();
    adopt_at_ = now_ + (lease ? *lease / renewals : minute);
    const std::vector<DeliveryName> mine = ours();
    for (const Orphan& orphan : store_.runs().orphans(mine)) {
        const auto is_same = [&](const DeliveryName& name) {
            return name.event == orphan.event && name.hook == orphan.hook;
        };
        if (std::ranges::any_of(mine, is_same)) continue;
        log_.warning("a run was lost", {{"event", orphan.event},
                                        {"hook", orphan.hook},
                                        {"attempt", orphan.attempt},
                                        {"started_at", iso_time(orphan.started_at)}});
        runs_.add(std::make_unique<Run>(orphan, settings_of(orphan.hook), now_));
        progress_ = true;
    }
}

void Loop::watch_clock() {
    const Millis ahead = wall_now() - now_;
    const Millis step = ahead - std::exchange(wall_ahead_, ahead);
    if (step > -second && step < second) return;
    log_.warning("the clock was set",
                 {{"by", (step < 0 ? "-" : "") + duration_text(std::abs(step))}});
    refresh_at_ = second_at_ = adopt_at_ = 0;
    // Set back, what waits must be capped; set forward, nothing has become old by it.
    if (step < 0) minute_at_ = 0;
}

// No delivery is to wait for longer than its hook may have it wait, whatever the clock was.
void Loop::cap_waits() {
    const ConfigPtr& config = config_file_.current();
    if (!config) return;
    Millis longest = std::max(config->defaults.delay, config->defaults.backoff_max);
    for (const Hook& hook : hooks_.set().hooks()) {
        longest = std::max({longest, hook.settings.delay, hook.settings.backoff_max});
    }
    capping_ = store_.upkeep().cap_due(wall_now() + longest);
}

// The wall clock, when it can be believed.
std::optional<Millis> Loop::trusted_time() {
    const ClockReading now = read_clock();
    const ClockRecord known = store_.upkeep().watch_clock(now);
    if (known.is_trusted(now)) return now.wall;
    if (known.up == now.up && known.is_great_step()) {
        log_.error("the clock was set: nothing is deleted until it has gone right for an hour",
                   {{"by", known.step_text()}});
    }
    return std::nullopt;
}

// What cannot be deleted holds up nothing but its deletion.
void Loop::prune() {
    const ConfigPtr& config = config_file_.current();
    if (!config) return;
    const std::optional<Millis> wall = trusted_time();
    if (!wall) {
        pruning_ = false;
        return;
    }
    const PruneOrder order{.done_before = *wall - config->retention.done,
                           .dead_before = *wall - config->retention.dead,
                           .at_most = prune_batch_.size()};
    const Millis begun = steady_now();
    try {
        pruning_ = store_.upkeep().prune(order) > 0;
        prune_batch_.went(steady_now() - begun);
    } catch (const StoreError& error) {
        const bool damaged = dynamic_cast<const StoreDamaged*>(&error) != nullptr;
        if (!damaged && !may_be_its_own_fault(error)) throw;
        const bool alone = prune_batch_.size() == 1;
        prune_batch_.failed();
        if (!alone) return;
        pruning_ = false;  // until the next minute
        log_.error("cannot delete old events", {{"cause", error.what()}});
    }
}

// When idle, and at the latest in time: the checkpoint costs the gateway a moment.
void Loop::scrub() {
    if (!unscrubbed_) return;
    bool idle = runs_.size() == 0 && now_ - quiet_since_ >= second;
    if (!idle && now_ - scrubbed_at_ < scrub_limit) return;
    scrubbed_at_ = now_;
    unscrubbed_ = !store_.upkeep().scrub();
}

// The store, or the machine, is in trouble: said once and each minute, then tried again.
void Loop::note_trouble(const std::string& what, Millis retry_after) {
    if (trouble_.empty()) trouble_since_ = now_;
    if (what != trouble_ || now_ >= trouble_logged_at_ + minute) {
        log_.error("in trouble, trying again", {{"cause", what}});
        trouble_logged_at_ = now_;
    }
    trouble_ = what;
    store_at_ = now_ + retry_after;
    adopt_at_ = 0;  // a claim may have been committed after all
    more_ = true;
}

bool Loop::in_lasting_trouble() const {
    return !trouble_.empty() && now_ - trouble_since_ >= lasting_trouble;
}

}  // namespace bx
