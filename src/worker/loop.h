// The worker's loop.  An iteration: runs that ended -> record, claim and start -> match, and start
// what that made -> upkeep; then it sleeps until a descriptor, a signal or a time calls.
//
// Nothing here blocks on a hook.  A store that is busy or fails is tried again; each part keeps
// what it could not do yet.
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "config/config.h"
#include "config/config_file.h"
#include "host/worker_lock.h"
#include "store/store.h"
#include "worker/chore_start.h"
#include "worker/context.h"
#include "worker/dead_events.h"
#include "worker/leaving.h"
#include "worker/matcher.h"
#include "worker/membership.h"
#include "worker/runner.h"
#include "worker/signals.h"
#include "worker/store_trouble.h"
#include "worker/upkeep.h"
#include "worker/worker.h"

namespace bx {

class Loop {
public:
    // STORE_PLACE is the Config::store that STORE was opened with.
    Loop(ConfigFile& config_file, Store& store, const StorePlace& store_place,
         WorkerLock& worker_lock, WorkerSignals& signals, const WorkerOptions& options, Log& log);

    // Gives the exit status.  Throws Error when it leaves (OPTIONS.once) for the store's trouble.
    int run();

private:
    void say(std::string_view what, LogFields fields = {});
    void iterate();
    void work();
    bool has_store_work() const;
    void use_store();
    void follow_clock();
    void follow_config();
    void tell_of_deaths();
    void note_trouble(const std::string& what, Millis retry_after);

    void wait();
    Millis wait_time() const;
    void take_signals();

    bool may_leave();
    bool leave();
    void tidy();

    Store& store_;
    WorkerLock& worker_lock_;
    WorkerSignals& signals_;
    WorkerContext context_;
    StoreTrouble trouble_;
    Membership membership_;
    DeadEvents dead_events_;
    Runner runner_;
    Uninstallations uninstallations_;
    Matcher matcher_;
    WorkerUpkeep upkeep_;
    ChoreStart chores_;
    Leaving leaving_;
    Timer second_;         // what is done once a second
    bool woken_ = true;    // through the FIFO or the store, since the store was last looked at
};

}  // namespace bx
