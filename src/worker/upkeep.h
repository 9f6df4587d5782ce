// What a worker does for its store beside running hooks: deletes what is old enough, and the
// files of its outputs, removes erased secrets from the store's files, and bounds waits after the
// clock was set back.  In steps, so that hooks and gateways do not wait for long.
#pragma once

#include <optional>

#include "store/upkeep.h"
#include "worker/context.h"
#include "worker/output_files.h"
#include "worker/pruner.h"
#include "worker/uninstallations.h"

namespace bx {

class WorkerUpkeep {
public:
    WorkerUpkeep(WorkerContext& context, Upkeep& store, View& view,
                 Uninstallations& uninstallations);

    // Does what is due.  Throws what the store throws.
    void work();
    // When the next step of what is under way is due; `never`: nothing is under way.
    Millis next() const;
    bool busy() const { return pruning_.under_way || capping_ || outputs_.busy(); }
    // All of it, whenever it was done last.
    void start_next_time() {
        minute_.set(0);
        hour_.set(0);
    }

    // By how much the wall clock was set since the last call; 0 for less than a second.
    Millis clock_step();

private:
    void cap_waits();
    std::optional<Millis> trusted_time();
    void prune();
    void scrub();

    WorkerContext& context_;
    Upkeep& store_;
    Uninstallations& uninstallations_;
    Pruner pruner_;
    OutputUpkeep outputs_;
    Timer minute_;
    Timer hour_;
    Timer step_;       // while busy()
    Timer scrub_;      // at the latest, also while hooks run
    struct {
        bool under_way = false;
        bool all = false;      // also what was left before
        bool deleted = false;  // something, since the files of outputs were last looked through
    } pruning_;
    bool capping_ = false;
    Millis wall_ahead_;  // of the steady time
};

}  // namespace bx
