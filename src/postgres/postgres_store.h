// The store in a PostgreSQL database, for the processes of many hosts.  store.h is the manual; this
// is for module.cpp, which opens it, and for the files that share its work:
//
//   postgres_store.cpp  the link, the gateway's part, what one event is
//   queue.cpp           match, claim, finish, lease
//   view.cpp            list, show, status
//   operate.cpp         retry, cancel, prune
//
// What changes the store is done by functions in the database (schema_functions.cpp), one statement
// and one transaction each.  A server that is lost is connected to again with the next call.
// Moments are given in this host's time and kept in the database's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "postgres/link.h"
#include "store/store.h"

namespace bx {

// Of an event `e`; what read_event reads.
constexpr std::string_view event_columns =
    "e.n, e.state, e.received_at, e.test, e.reason, e.erased, e.code, e.kind, e.id, e.domain, "
    "e.member_id, e.user_id, e.handler_id, e.ts, e.dead";
constexpr int event_width = 15;

class PostgresStore final : public Store {
public:
    // Connects, and checks the schema.
    PostgresStore(const std::string& url, const StoreOptions& options);

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;

    std::vector<StoredEvent> undispatched(std::size_t at_most) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override;
    std::vector<Claim> claim(std::size_t slots,
                             const std::function<std::size_t(const std::string& hook)>& room,
                             Millis now) override;
    std::vector<Claim> finish_and_claim(
        std::span<const Finish> runs, std::size_t slots,
        const std::function<std::size_t(const std::string& hook)>& room, Millis now) override;
    void started(std::span<const Claim> claims) override;
    void finish(std::span<const Finish> runs) override;
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
    std::optional<Millis> lease() const override;
    int wake_fd() override;
    bool take_wakes() override;
    bool scrub() override { return true; }  // what is erased is deleted

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

    // -- The link
    Link& link(Millis until);
    void set_up(Link& link, Millis until);
    // One statement; done again when the server undid it in favour of another.
    Result call(std::string_view sql, const Params& values);
    Result add_surely(const Params& values);
    void wake_workers();
    Millis until() const { return steady_now() + limit_; }

    // -- Moments: the database's clock and ours
    Millis theirs(Millis moment) const { return moment + skew_; }
    Millis ours(Millis moment) const { return moment - skew_; }
    std::optional<Millis> ours(std::optional<Millis> moment) const;
    Param at(Millis moment) const { return Param::number(theirs(moment)); }

    std::vector<Claim> claim_ready(std::span<const Finish> runs, std::size_t slots,
                                   const std::set<std::string>& hooks, const Room& room);
    Params finish_values(std::span<const Finish> runs) const;
    EventNumber seen_up_to();  // of events: the next statement finds no smaller ones later
    StoredEvent read_event(const Result& answer, int row, int first) const;
    static void read_payload(StoredEvent& event, const Result& answer, int row, int first);
    Target read_target(const DeliveryName& name);
    template <typename Judge, typename Act>
    Outcome request(const DeliveryName& name, Judge judge, Act act);
    struct Row;
    Row read_delivery(const Result& answer, int row) const;
    std::optional<EventNumber> blocker(const Row& delivery);
    void read_tallies(StoreStatus& status);
    void read_rates(StoreStatus& status, Millis now);
    void read_due(StoreStatus& status, Millis now);
    void read_workers(StoreStatus& status);
    void read_blocked(StoreStatus& status);

    const std::string url_;
    const StoreOptions options_;
    const Millis limit_;          // for one call
    const std::int64_t owner_;    // this worker, in what it claims
    const std::int64_t shard_;    // where it counts
    const std::string run_seed_;  // makes run names of different stores and processes differ
    std::unique_ptr<Link> link_;
    Millis skew_ = 0;             // of the database's clock, ahead of ours
    bool listens_ = false;        // a worker: woken by notifications
    Millis claimed_at_ = 0;       // the last claim, whose runs start now

    // Whose turn it was: the hook served last, and of each hook the portal.
    std::string last_hook_;
    std::map<std::string, std::string> last_portal_;
};

}  // namespace bx
