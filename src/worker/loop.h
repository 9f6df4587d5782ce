// The worker's loop.  A turn: reap -> record, claim and start -> match, and start what that made ->
// keep house; then it sleeps until a descriptor, a signal or a time calls.
//
// Nothing here blocks on a hook.  A store that is busy or fails is tried again; what ended runs
// left is kept in memory until it could be recorded.  What fails is tried again by halves, and what
// fails alone, for its own sake, is put aside, so that it stops nobody else.
#pragma once

#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "hooks/invocation.h"
#include "host/worker_lock.h"
#include "store/store.h"
#include "worker/batch.h"
#include "worker/live_hooks.h"
#include "worker/run_table.h"
#include "worker/signals.h"
#include "worker/warden.h"
#include "worker/worker.h"

namespace bx {

// After so long trouble with the store is told where people look, and is nothing to wait out.
constexpr Millis lasting_trouble = 10 * second;

class Loop {
public:
    // STORE_PLACE is Config::store as the store was opened.
    Loop(ConfigFile& config_file, Store& store, const std::string& store_place,
         WorkerLock& worker_lock, WorkerSignals& signals, const WorkerOptions& options, Log& log);

    // Gives the exit status.  Throws Error when it leaves (OPTIONS.once) for the store's trouble.
    int run();

private:
    // -- Its life
    void turn();
    void wait();
    Millis wait_time() const;  // 0: work is left
    void take_signals();
    void stop();
    bool may_leave();
    bool leave();
    void give_up();
    void depart();
    void hand_over();

    // -- A turn's work
    bool has_store_work() const;
    void use_store();
    void collect();
    void record_and_start();
    std::vector<Claim> record_and_claim(std::size_t slots, Millis wall);
    void record_alone();
    std::size_t free_slots() const;
    void refresh();
    std::size_t room(const std::string& hook) const;
    void start(const Claim& claim);
    std::optional<StartProblem> launch(const Claim& claim);
    const Hook* up_to_date(const std::string& name);
    void fail(const Claim& claim, const StartProblem& problem);
    void settle(Finish finish, int max_attempts, const HookSettings& settings);
    void report(const Finish& finish, int max_attempts, Millis duration);

    // -- Matching (match.cpp)
    bool match();
    bool match_oldest(std::size_t at_most);
    void dispatch(std::span<const Dispatch> dispatches, std::span<const std::string> log_reasons);
    bool merge_ahead(std::span<const Dispatch> verdicts);
    bool has_failed_often(EventNumber event);
    void set_aside(EventNumber event, const std::string& why);
    void report(const Dispatch& verdict, const std::string& log_reason) const;

    // -- House-keeping (upkeep.cpp)
    void keep_house();
    void obey_kill_wishes();
    void save_outputs();
    WorkerRecord record() const;
    void show_worker();
    void watch_lease();
    void adopt_orphans();
    std::vector<DeliveryName> ours() const;
    void watch_clock();
    void cap_waits();
    std::optional<Millis> trusted_time();
    void prune();
    void scrub();
    void note_trouble(const std::string& what, Millis retry_after);
    bool in_lasting_trouble() const;

    const HookSettings& settings_of(const std::string& hook) const;

    ConfigFile& config_file_;
    Store& store_;
    const std::string store_place_;
    WorkerLock& worker_lock_;
    WorkerSignals& signals_;
    const WorkerOptions options_;
    Log& log_;
    LiveHooks hooks_;
    RunTable runs_;
    std::optional<Warden> warden_;  // where others take over what we run
    std::vector<Finish> finishes_;  // ended, not yet recorded
    const std::string home_ = own_home();  // of the hooks
    std::mt19937_64 random_{std::random_device{}()};
    // Asked of the store at a time; an event or a run may hold limits.body or limits.output.
    Batch match_batch_{32};
    Batch finish_batch_{64};
    Batch claim_batch_{64};
    Batch prune_batch_{100};
    EventNumber matching_ = 0;  // the first of those under way
    EventNumber failing_ = 0;   // alone, so often:
    int failures_ = 0;
    int finish_failures_ = 0;   // of the first in finishes_, alone
    WorkerRecord shown_;
    int exit_status_ = 0;

    bool progress_ = false;    // the last turn did something
    bool more_ = true;         // and another one would find more
    bool woken_ = true;        // through the FIFO, since the store was last looked at
    bool reload_ = false;      // SIGHUP
    bool cut_off_ = false;     // from the store for too long to keep runs
    bool stopping_ = false;
    bool called_ = false;      // while stopping: somebody wants a worker
    bool pruning_ = false;
    bool capping_ = false;
    bool unscrubbed_ = true;   // secrets may have been erased since the last scrub

    // Steady times.
    Millis now_;
    Millis refresh_at_ = 0;
    Millis second_at_ = 0;     // what is done once a second
    Millis minute_at_ = 0;
    Millis adopt_at_ = 0;
    Millis shown_at_ = 0;
    // Up to here claims may be made and runs go on: the lease, without what ending them takes.
    Millis starts_until_ = std::numeric_limits<Millis>::max();
    Millis store_at_ = 0;      // not to be used before
    Millis step_at_ = 0;       // while pruning or capping: the next step
    Millis trouble_logged_at_ = 0;
    Millis trouble_since_ = 0;
    Millis grace_until_ = 0;   // while stopping
    Millis idle_since_;        // no unfinished event
    Millis quiet_since_;       // no progress
    Millis scrubbed_at_;
    // Wall times.
    Millis refreshed_at_ = 0;  // hooks and config were looked at
    std::optional<Millis> next_due_;
    Millis wall_ahead_;        // of the steady time
    std::string trouble_;      // of the store
    std::string given_up_;     // the trouble for which it leaves
};

// The settings of the worker's log: a detached one writes beside its store unless told otherwise.
LogSettings log_settings(const Config& config, const WorkerOptions& options);

}  // namespace bx
