// One delivery being run: from the start of its process until nothing of it is left.
//
// Passive like Process: the worker's loop tells it what happened and what time it is (steady_now).
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "store/records.h"
#include "worker/process.h"
#include "worker/retry_schedule.h"

namespace bx {

constexpr Millis kill_delay = 5 * second;  // from SIGTERM to SIGKILL

class Run {
public:
    // CLAIM's, just started as PROCESS.
    Run(const Claim& claim, const Allowance& allowance, const HookSettings& settings,
        std::unique_ptr<Process> process, Millis now);
    // What a dead worker left of ORPHAN: it is ended, its result is `lost`, its output what was
    // saved of it.
    Run(const Orphan& orphan, const Allowance& allowance, const HookSettings& settings,
        Millis now);

    EventNumber event() const { return finish_.event; }
    const std::string& hook() const { return finish_.hook; }
    int attempt() const { return finish_.attempt; }
    const Allowance& allowance() const { return allowance_; }
    Millis started_at() const { return started_at_; }  // wall time, as its attempt has it
    const std::string& name() const { return name_; }  // BX_RUN
    const HookSettings& settings() const { return settings_; }
    Process* process() { return process_.get(); }  // null for an orphan
    // The process to wait for; -1 when there is none or it was reaped.
    pid_t pid() const { return pid_; }

    // The process ended with STATUS, as waitpid gave it.  Exit 0 ends the run; after anything else
    // what it left behind is ended first, since another run may follow.
    void reaped(int status, Millis now);
    // Ends it for that reason (timeout, cancelled, interrupted), unless it is ending already.
    void end(AttemptResult why, Millis now);
    // Keeps the time limit and sees to those that do not end.  Call it at next_tick at the latest.
    void tick(Millis now);
    Millis next_tick() const { return next_tick_; }

    // True when it printed something since the last call.
    bool take_unsaved();

    bool over() const { return phase_ == Phase::over; }
    // The outcome, once it is over: all but what becomes of the delivery (retry_schedule.h).
    Finish outcome() const;

private:
    enum class Phase { running, ending, killing, over };

    void begin_ending(Millis now);
    void look_for_rest(Millis now);
    void close();

    Finish finish_;
    Allowance allowance_;
    std::string name_;
    HookSettings settings_;
    std::unique_ptr<Process> process_;
    pid_t pid_ = -1;
    pid_t session_ = 0;
    Millis started_at_;
    Millis next_tick_;
    Millis kill_at_ = 0;
    std::int64_t saved_bytes_ = 0;
    Phase phase_ = Phase::running;
};

// "SIGKILL"; "signal 40" for one without a name.
std::string signal_name(int signal);

}  // namespace bx
