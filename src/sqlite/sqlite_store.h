// The store in one SQLite file, for the processes of one machine.  store.h is the manual; this is
// for stores/open.cpp, which opens it, and for the files that share its work:
//
//   sqlite_store.cpp  the gateway's part, what one event is, house-keeping
//   queue.cpp         match, claim, finish
//   merge.cpp         coalescing
//   view.cpp          list, show, status
//   operate.cpp       retry, cancel, prune
//   moved.cpp         what another store takes over
//   change.cpp        what they all change, and the rules of it
//   schema.cpp        the tables
#pragma once

#include <map>
#include <memory>
#include <string>

#include "sqlite/change.h"
#include "sqlite/database.h"
#include "sqlite/schema.h"
#include "store/import.h"
#include "store/store.h"

namespace bx {

class SqliteStore final : public Store {
public:
    SqliteStore(const std::string& path, const StoreOptions& options, Journal journal);

    Database& database() { return db_; }  // for tests, which look at plans and pragmas

    // For a store that takes this one's place: the events after AFTER in order, with all that
    // became of them, and the greatest number there ever was.
    std::vector<MovedEvent> moved(EventNumber after, std::size_t at_most);
    EventNumber last_number();

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;

    std::vector<StoredEvent> undispatched(std::size_t at_most) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override;
    std::vector<Claim> claim(std::size_t slots,
                             const std::function<std::size_t(const std::string& hook)>& room,
                             Millis now) override;
    void finish(std::span<const Finish> runs) override;
    std::vector<Claim> finish_and_claim(
        std::span<const Finish> runs, std::size_t slots,
        const std::function<std::size_t(const std::string& hook)>& room, Millis now) override;
    void save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                     const Output& err) override;
    std::vector<Orphan> orphans(std::span<const DeliveryName> mine = {}) override;
    std::optional<Millis> next_due(Millis now) override;
    bool cap_due(Millis latest) override;
    std::int64_t unfinished() override;
    std::vector<DeliveryName> kill_requests() override;
    void register_worker(const WorkerRecord& worker) override;
    void unregister_worker(const WorkerRecord& worker) override;
    ClockRecord watch_clock(const ClockReading& now) override;
    bool scrub() override;

    std::vector<ListRow> list(const ListFilter& filter) override;
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override;
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override;
    StoreStatus status(Millis now) override;
    Outcome retry(const DeliveryName& name,
                  const std::function<int(const std::string& hook)>& extra_attempts,
                  Millis now) override;
    Outcome deliver(EventNumber event, const NewDelivery& delivery, Millis now) override;
    Outcome cancel(const DeliveryName& name, bool kill, Millis now) override;
    std::size_t prune(const PruneOrder& order) override;

private:
    using Room = std::function<std::size_t(const std::string& hook)>;

    std::int64_t tally(std::string_view what);  // of events
    std::optional<StoredEvent> load_event(EventNumber number);
    void load_payload(StoredEvent& event, std::optional<std::int64_t> slot);
    std::vector<Refusal> refusals(EventNumber number);
    void read_moved(EventNumber number, std::vector<MovedDelivery>& deliveries);

    EventNumber insert_event(Change& change, const NewEvent& event);

    std::optional<EventFacts> new_facts(EventNumber number);  // what lanes are made of
    void dispatch_one(Change& change, const Dispatch& verdict, Millis now);
    void merge_some(const LaneKey& key, EventNumber before, const std::string& code, Millis now);
    void insert_delivery(Change& change, EventNumber event, const EventFacts& facts,
                         const NewDelivery& delivery, Millis now);
    bool something_due(Millis now);
    std::vector<Claim> claim_ready(Change& change, std::size_t slots, const Room& room, Millis now);
    std::size_t room_left(Change& change, const std::string& hook, const Room& room);
    std::optional<std::string> next_ready_hook(const std::string& after);
    EventNumber next_ready_event(const std::string& hook);
    Claim start(Change& change, EventNumber event, const std::string& hook, Millis now);
    void finish_all(Change& change, std::span<const Finish> runs);
    void finish_one(Change& change, const Finish& run, bool kill_requested);
    void record_attempt(const Finish& run);

    std::optional<EventNumber> blocker(EventNumber event, const LaneKey& key);
    void read_tallies(StoreStatus& status);
    void read_rates(StoreStatus& status, Millis now);
    void read_due(StoreStatus& status, Millis now);
    void read_workers(StoreStatus& status);
    void read_blocked(StoreStatus& status);

    struct Stored;     // a delivery
    struct Requested;  // what a request is about
    std::vector<Stored> stored_deliveries(const DeliveryName& name);
    Requested requested(const DeliveryName& name);
    void retry_delivery(Change& change, EventNumber event, const Stored& delivery, int extra,
                        Millis now);
    std::int64_t rows_of(EventNumber number);
    void remove_event(Change& change, EventNumber number);

    std::unique_ptr<Database> database_;
    Database& db_;
    Journal journal_;

    // Whose turn it was: the hook served last, and of each hook the portal.
    std::string last_hook_;
    std::map<std::string, std::string> last_portal_;
    std::uint64_t run_seed_;  // makes run names of different stores and processes differ
};

}  // namespace bx
