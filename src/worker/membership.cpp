#include "worker/membership.h"

#include <unistd.h>

#include <utility>

#include "host/host_name.h"
#include "worker/run.h"

namespace bx {

namespace {

// How often the lease is renewed in its time.
constexpr Millis renewals = 10;
// Kept of it for ending runs: kill_delay, and an answer of the store that is waited for in vain.
constexpr Millis lease_margin = kill_delay + 3 * second;

// What `status` shows, but for the time.
bool shows_the_same(const WorkerRecord& a, const WorkerRecord& b) {
    return a.pid == b.pid && a.running == b.running && a.config_error == b.config_error &&
           a.trouble == b.trouble;
}

}  // namespace

Membership::Membership(WorkerContext& context, WorkerRegistry& registry,
                       const StoreTrouble& trouble)
    : context_(context), registry_(registry), trouble_(trouble) {
    if (registry_.lease()) warden_.emplace();
}

void Membership::update() {
    WorkerRecord now = record();
    if (shows_the_same(now, shown_) && !renewal_.due(context_.now)) return;
    const Millis begun = steady_now();
    registry_.register_worker(now);
    shown_ = std::move(now);
    if (const std::optional<Millis> lease = registry_.lease()) {
        renewal_.set(begun + *lease / renewals);
        lease_end_.set(begun + *lease - lease_margin);
    }
    cut_off_ = false;
}

void Membership::leave() { registry_.unregister_worker(record()); }

void Membership::end_runs_in_time() {
    if (may_start_runs() || context_.runs.size() == 0) return;
    if (!cut_off_) {
        context_.log.error("cannot renew the lease: ending all runs",
                           {{"running", context_.runs.size()}});
    }
    cut_off_ = true;
    context_.runs.end_all(AttemptResult::interrupted, context_.now);
}

Millis Membership::orphan_period() const {
    const std::optional<Millis> lease = registry_.lease();
    return lease ? *lease / renewals : minute;
}

Millis Membership::next(Millis now) const {
    const bool waits = context_.runs.size() > 0 && !lease_end_.due(now);
    return waits ? lease_end_.next() : Timer::never;
}

void Membership::watch(const std::string& run, pid_t session) {
    if (warden_) warden_->watch(run, session);
}

void Membership::forget(const std::string& run) {
    if (warden_) warden_->forget(run);
}

WorkerRecord Membership::record() const {
    WorkerRecord record = shown_;
    if (record.pid == 0) {
        record.host = host_name();
        record.pid = ::getpid();
        record.version = BXHOOK_VERSION;
        record.since = wall_now();
        record.once = context_.options.once;
    }
    record.running = static_cast<int>(context_.runs.size());
    record.config_error = context_.live.problem();
    record.trouble = trouble_.shown(context_.now);
    return record;
}

}  // namespace bx
