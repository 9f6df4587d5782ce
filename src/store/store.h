// The store: where events and deliveries live.  One interface; SQLite implements it for one machine
// (sqlite_store.cpp), PostgreSQL for several.
//
// Every function that changes something is one transaction: when it returns, all of it is
// committed, when it throws, nothing is.  `add` is durable on return (survives a power cut); the
// worker's marks survive a crash of the process, and after a power cut a hook may run again.  All
// functions throw StoreError, those that only read too.
//
// Each such transaction is bounded, in rows and so in time: nobody waits for long behind it, and a
// server that ends what takes over a second does not end it.  What is more is done in steps.
//
// A row that cannot be read is the trouble of its event alone: StoredEvent::damage tells.
//
// Lanes: a delivery whose lane (hook, portal, kind, id) has an unfinished delivery of a smaller
// N, or one running, is not claimable.  This is decided here, inside the transactions.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/outcomes.h"
#include "store/records.h"

namespace bx {

class StoreError : public Error {
public:
    using Error::Error;
};

// Another process held the store for longer than the wait it was opened with.
class StoreBusy : public StoreError {
public:
    using StoreError::StoreError;
};

// The store's server does not answer, or takes no writes (it starts, stops or is a standby).
class StoreAway : public StoreError {
public:
    using StoreError::StoreError;
};

// The store took too long over what it was asked for: less of it at a time may do.
class StoreSlow : public StoreBusy {
public:
    using StoreBusy::StoreBusy;
};

// What was given cannot be stored: the same again fails, and the rest without it may do.
class StoreDataError : public StoreError {
public:
    using StoreError::StoreError;
};

// What lies in the store cannot be read.
class StoreDamaged : public StoreError {
public:
    using StoreError::StoreError;
};

// The store was made by a newer major version, or is no store of ours at all.
class StoreVersionError : public StoreError {
public:
    using StoreError::StoreError;
};

struct StoreOptions {
    bool durable = true;    // fsync at every commit; false: the worker's marks
    bool create = true;     // make it when there is none; else StoreError
    bool one_shot = false;  // a CGI process: one add, then exit; leave checkpoints to others
    Millis wait = 1000;     // how long to wait for another process's lock
    // Asked about every millisecond while waiting for the lock; true ends the wait (StoreBusy).
    std::function<bool()> give_up;
};

struct PruneOrder {
    Millis done_before = 0;  // events that ended before it: done, merged, cancelled, skipped
    Millis dead_before = 0;  // and those with a dead delivery; 0: none
    std::size_t at_most = 100;  // events in one transaction; fewer when many rows are theirs
};

// Between two steps of prune, merge_ahead or cap_due: the others are to get the store's lock.
constexpr Millis step_pause = 5;

class Store {
public:
    virtual ~Store() = default;

    // -- Gateway

    // Adds the events in order, with ascending numbers, in one transaction.  An element is empty
    // when that event would be beyond QUEUE_LIMIT unfinished ones; the others are added.
    // Throws StoreError: none was, or (lost at the commit itself) it is not known.
    virtual std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                        std::int64_t queue_limit) = 0;
    // Proves that an add would work now: takes the write lock, writes, rolls back.  Throws
    // StoreError.  Gives the number of unfinished events.
    virtual std::int64_t probe() = 0;

    // -- Worker

    // The oldest `new` events in order of N, with body and secrets or `damage`.
    virtual std::vector<StoredEvent> undispatched(std::size_t at_most) = 0;
    // Marks the events matched (or skipped, erasing their secrets) and writes their deliveries.
    // An event that is no longer `new` (cancelled meanwhile) is passed over.  Coalescing: a waiting
    // delivery of the same hook, lane and code becomes `merged` into the new one, which takes over
    // its due time and attempts.  Of a lane the last 1,000 that wait are looked at.
    virtual void dispatch(std::span<const Dispatch> verdicts, Millis now) = 0;
    // A step ahead of dispatch(VERDICTS): where one of their deliveries would have many merged into
    // it, merges some of those into the newest of them, which takes over due time and attempts.
    // True: there may be more, call it again before the dispatch.
    virtual bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) = 0;

    // Claims up to SLOTS deliveries that are due at NOW and free in their lane, for this worker,
    // with attempt and run name; one whose event cannot be read has its `damage`.  ROOM tells how
    // many of a hook may run at a time, whoever runs them (0: disabled).  Slots go round the hooks,
    // within a hook round the portals, across calls; within a hook and portal the smallest N first.
    virtual std::vector<Claim> claim(
        std::size_t slots, const std::function<std::size_t(const std::string& hook)>& room,
        Millis now) = 0;
    // Makes claims `running`: call it right before their runs start.  Where claims have no lease,
    // `claim` has done it.
    virtual void started(std::span<const Claim> claims) { static_cast<void>(claims); }
    // Records ended runs.  One whose delivery is not `running` in that attempt any more changes
    // nothing.  Where an event's last delivery ended and none is dead, its secrets are erased.
    virtual void finish(std::span<const Finish> runs) = 0;
    // finish(RUNS), then claim(...): in one transaction where that is cheaper.  When it throws, the
    // runs may have been recorded all the same; to do it again does no harm.
    virtual std::vector<Claim> finish_and_claim(
        std::span<const Finish> runs, std::size_t slots,
        const std::function<std::size_t(const std::string& hook)>& room, Millis now) {
        finish(runs);
        return claim(slots, room, now);
    }
    // The output so far of a run, for `logs --follow`.
    virtual void save_output(EventNumber event, const std::string& hook, int attempt,
                             const Output& out, const Output& err) = 0;
    // The deliveries left `running`: a dead worker's, which are this one's from now on, and those
    // this one has claimed.  MINE are those it runs, or whose ends it has yet to record.
    virtual std::vector<Orphan> orphans(std::span<const DeliveryName> mine = {}) = 0;
    // The earliest due time of a delivery that could then be claimed; none: nothing waits for a
    // time.  Not later than NOW: more are due than `claim` has come to.
    virtual std::optional<Millis> next_due(Millis now) = 0;
    // Due times after LATEST become LATEST: a clock that was set back since had given them.  A step
    // of it; true: there may be more, call it again.
    virtual bool cap_due(Millis latest) = 0;
    // Events that are `new` or have a delivery waiting or running, due or not.
    virtual std::int64_t unfinished() = 0;
    bool has_unfinished() { return unfinished() > 0; }
    // Deliveries a person wants ended (cancel --kill): those of the running ones marked so.
    virtual std::vector<DeliveryName> kill_requests() = 0;
    // Shows (or takes back) this worker in `status`.  Of one that leaves by itself (`once`) it is
    // kept that it was there, until another one comes.
    virtual void register_worker(const WorkerRecord& worker) = 0;
    virtual void unregister_worker(const WorkerRecord& worker) = 0;
    // Compares NOW with what is known of this machine's clocks; gives since when they agree.  Where
    // the store has a clock of its own, by which things are deleted, that is what is compared.
    virtual ClockRecord watch_clock(const ClockReading& now) = 0;
    // For so long after the beginning of its last register_worker a worker's deliveries are its
    // own, then they are orphans to the others.  None: for ever, there is one worker.
    virtual std::optional<Millis> lease() const { return std::nullopt; }
    // Readable when there may be something new in the store; `take_wakes` then tells whether there
    // is, and makes it unreadable again.  -1: it has none now.
    virtual int wake_fd() { return -1; }
    virtual bool take_wakes() { return false; }
    // House-keeping that must not wait for ever: erased secrets leave the store's files (SQLite:
    // WAL checkpoint with TRUNCATE).  True when nothing is left to do.
    virtual bool scrub() = 0;

    // -- People

    virtual std::vector<ListRow> list(const ListFilter& filter) = 0;  // newest first
    // With refusals, body and (unless erased) secrets; none when there is no such event.
    virtual std::optional<StoredEvent> event(EventNumber number) = 0;
    virtual std::vector<DeliveryRecord> deliveries(EventNumber number) = 0;  // by hook
    virtual std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) = 0;
    virtual StoreStatus status(Millis now) = 0;

    // `retry N`: dead and cancelled deliveries become `waiting`, a skipped event `new`.
    // `retry N/HOOK`: a done one too.  EXTRA_ATTEMPTS gives how many more attempts a hook gets.
    // Merged, waiting and running ones, and a new event, are refused.
    virtual Outcome retry(const DeliveryName& name,
                          const std::function<int(const std::string& hook)>& extra_attempts,
                          Millis now) = 0;
    // `retry N/HOOK` of a hook that did not take the event: makes that delivery, due at NOW, of a
    // matched event or of a skipped one, which becomes matched.  A new event is refused, and one
    // that has the delivery.  Nothing is merged into it.
    virtual Outcome deliver(EventNumber event, const NewDelivery& delivery, Millis now) = 0;
    // `cancel`: waiting deliveries become cancelled, a new event skipped.  With KILL a running one
    // is marked for the worker, which ends it; however that run ends, it is not repeated.
    virtual Outcome cancel(const DeliveryName& name, bool kill, Millis now) = 0;
    // Deletes finished events, oldest first, in one bounded transaction; gives how many.  Call it
    // again until it gives 0.
    virtual std::size_t prune(const PruneOrder& order) = 0;
};

// Opens the store of PLACE (Config::store).  Throws StoreError, which names the place.
std::unique_ptr<Store> open_store(const std::string& place, const StoreOptions& options);

// The kinds of store that can be opened: {"sqlite"}, and "postgresql" when its module is there.
std::vector<std::string> store_kinds();

}  // namespace bx
