// What lies in the store, as plain values.  The words are the contract's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "store/clock_watch.h"

namespace bx {

using EventNumber = std::int64_t;  // N: unique for ever, growing in order of commit
using InstallationId = std::int64_t;  // of one that is there greater than 0; never given again

enum class EventState { fresh, matched, skipped };  // `fresh` is the contract's "new"
enum class DeliveryState { waiting, running, done, dead, merged, cancelled };
enum class AttemptResult { running, done, failed, timeout, lost, interrupted, cancelled };
// How an event came: a post to the gateway, fetched from Bitrix24, made by a person, or by us.  The
// stores keep these numbers.
enum class Origin { post, offline, test, self };
// Of a row of `list`: of an event that has no deliveries, or of a delivery.
enum class RowState { fresh, skipped, waiting, running, done, dead, merged, cancelled };

// The contract's words; "damaged" for a number that the enum does not have.
std::string_view name_of(EventState state);
std::string_view name_of(DeliveryState state);
std::string_view name_of(AttemptResult result);
std::string_view name_of(RowState state);
std::string_view name_of(Origin origin);
// The reverse; none for an unknown word.
std::optional<DeliveryState> delivery_state(std::string_view name);
std::optional<RowState> row_state(std::string_view name);

// All of them, in the order of a delivery's life.
std::span<const RowState> row_states();
// "dead, cancelled", with ", " as SEPARATOR.
std::string joined_names(std::span<const RowState> states, std::string_view separator);
// True for the state of an event that has no deliveries.
constexpr bool is_of_event(RowState state) { return state <= RowState::skipped; }
// The same state of an event; STATE is_of_event.
EventState event_state(RowState state);
// The same state of a delivery; STATE is not is_of_event.
DeliveryState delivery_state(RowState state);

// What a person calls a delivery, or an event with all its deliveries.
struct DeliveryName {
    EventNumber event = 0;
    std::string hook;  // empty: the event
};

// "1042/crm-sync"; "1042" for an event.
std::string to_string(const DeliveryName& name);
// The reverse; also "1042/-", as `list` names an event without deliveries.  None for other texts.
std::optional<DeliveryName> delivery_name(std::string_view text);

// The key of an entity within a hook and portal: unlike for unlike pairs of kind and id, whatever
// their bytes; empty without an id.
std::string lane_of(const EventFacts& facts);

// An event to be added.  Body and secrets are encode_payload's.
struct NewEvent {
    EventFacts facts;
    Origin origin = Origin::post;
    Millis received_at = 0;
    std::string body;
    std::string secrets;
    std::optional<InstallationId> installation{};  // whose token proved it; none: the configuration's
};

// By what a hook did not take an event.
enum class HookRule {
    event,     // its own events are others
    disabled,
    when,
    unless,
    unable,    // it would have taken it, but cannot run
    unknown,   // it is not said
};

// A hook that did not take an event, and why: "other event (wants ONCRMDEALADD)",
// "unless auth.user_id 17", "not executable".
struct Refusal {
    std::string hook;
    std::string reason;
    HookRule rule = HookRule::unknown;
};
// True for a hook that is for other events: mostly not worth a word.
bool is_of_other_event(const Refusal& refusal);

struct StoredEvent {
    EventNumber number = 0;
    EventFacts facts;
    Origin origin = Origin::post;
    Millis received_at = 0;
    EventState state = EventState::fresh;
    std::string reason;             // of a skip
    bool retryable = false;         // skipped for a mistake of ours: its secrets are kept, and it
                                    // is matched again (store/match_queue.h)
    bool secrets_erased = false;
    // As NewEvent's; a claim does not tell.
    std::optional<InstallationId> installation{};
    // Only where the function says so:
    std::vector<Refusal> refused;
    std::int64_t refused_more = 0;  // beyond those that are kept
    std::string damage;             // why body or secrets cannot be read; empty: they can
    std::string body;
    std::string secrets;

    std::size_t payload_bytes() const { return body.size() + secrets.size(); }
};

// A delivery to be made of an event.
struct NewDelivery {
    std::string hook;
    bool ordered = true;   // it has a lane, if the event has an id
    bool coalesce = false; // merge waiting ones of the same hook, lane and code into it
    int max_attempts = 1;
    Millis due_at = 0;
    std::string reason{};  // of a dispatch: why it waits beyond that; empty: for nothing else
};

// The worker's verdict on one event: its deliveries, or none and why (`skip_reason`).
struct Dispatch {
    EventNumber event = 0;
    std::vector<NewDelivery> deliveries;
    std::vector<Refusal> refused;
    std::string skip_reason;
    std::int64_t refused_more = 0;
    bool retryable = false;  // of a skip: keep its secrets, it is to be matched anew
};

// A delivery that was claimed: it is `running`, its attempt recorded as begun.
struct Claim {
    StoredEvent event;  // with body and secrets, or `damage`
    std::string hook;
    int attempt = 1;        // of this run
    int max_attempts = 1;
    std::string run;        // BX_RUN
    Millis started_at = 0;  // of this attempt, as it is recorded
    bool by_hand = false;   // a person runs it, and nothing is recorded
    // Failed attempts before it, since attempts were last given; none: some were taken over from a
    // delivery that was merged into this one.
    std::optional<int> failures{};
};

// What a run wrote: the part that is kept, and how much there was.
struct Output {
    std::string kept;
    std::int64_t bytes = 0;
};

// A delivery left `running` by a worker that is gone.
struct Orphan {
    EventNumber event = 0;
    std::string hook;
    int attempt = 1;
    int max_attempts = 1;
    std::string run;
    Millis started_at = 0;
    Output out;  // as far as it was saved
    Output err;
    std::optional<int> failures{};  // as Claim's
};

// How a run ended, and what becomes of its delivery.
struct Finish {
    EventNumber event = 0;
    std::string hook;
    int attempt = 1;
    AttemptResult result = AttemptResult::done;
    std::optional<int> exit;
    std::string signal;  // "SIGKILL"
    std::string reason;  // of the attempt: "unsafe permissions", "exit 1: command not found ..."
    Millis ended_at = 0;
    Output out;
    Output err;
    DeliveryState next = DeliveryState::done;  // waiting | done | dead | cancelled
    std::string delivery_reason;
    Millis due_at = 0;      // when next is waiting
    bool counts = true;     // false (interrupted): one more attempt is given in its place
    std::optional<int> max_attempts{};  // where the delivery's own are not those it has now
};

struct AttemptRecord {
    int attempt = 1;
    std::string run;
    AttemptResult result = AttemptResult::running;
    std::optional<int> exit;
    std::string signal;
    std::string reason;
    Millis started_at = 0;
    std::optional<Millis> ended_at;
    Output out;
    Output err;
};

struct DeliveryRecord {
    EventNumber event = 0;
    std::string hook;
    DeliveryState state = DeliveryState::waiting;
    std::string reason;
    int attempt = 0;  // attempts begun
    int max_attempts = 0;
    std::optional<Millis> due_at;  // while waiting
    std::optional<EventNumber> blocked_by;  // the unfinished delivery before it in its lane
    std::optional<EventNumber> merged_into;
    std::optional<Millis> ended_at;
};

// A line of `list`: a delivery (or a new or skipped event) with the facts of its event.
struct ListRow {
    StoredEvent event;  // without refusals, body and secrets
    std::optional<DeliveryRecord> delivery{};
    // Only after View::add_causes, as are the event's refusals:
    std::string stderr_end{};  // of the last attempt of a delivery that has failed
};

// "1042/crm-sync"; "1041/-" for an event without deliveries.
std::string name_of(const ListRow& row);
// Of the delivery, or of the event that has none; without a delivery it is new or skipped.
RowState state_of(const ListRow& row);
// True for a delivery that is dead, or waits after a failure.
bool has_failed(const ListRow& row);

struct ListFilter {
    std::vector<RowState> states{};    // one of these; empty: any
    std::vector<std::string> hooks{};  // the same; events without deliveries have none of them
    std::string code_glob{};           // any case
    std::string portal{};              // domain or member_id, exact, any case
    std::string id{};                  // of the entity, exact
    Millis from = 0;                   // received at or after
    std::optional<Millis> to{};        // received before
    EventNumber after = 0;             // N greater than this
    // Only the rows that come after this one in the order of a list: newest event first, of one
    // event the hooks backwards.  Without a hook: those of smaller events.
    std::optional<DeliveryName> beyond{};
    std::size_t limit = 50;
};

struct WorkerRecord {
    std::string host;
    std::int64_t pid = 0;
    std::string version;
    Millis since = 0;
    int running = 0;
    std::string config_error;
    std::optional<Millis> seen_at;  // its last sign of life, where it must give one
    std::string trouble;            // why it cannot use the store, for seconds already
    bool once = false;              // it leaves when nothing is due: cron's
};

// The last `work --once` that has left, as long as no worker that stays has come since.
struct OnceRecord {
    Millis left_at = 0;
    std::string host;
    std::string trouble;  // which made it leave
};

// A lane that stands still: its head has failed, and waits for its next attempt or is in it.
struct BlockedLane {
    EventNumber event = 0;
    std::string hook;
    EventFacts facts;
    std::string reason;
    Millis since = 0;       // end of the first failed attempt since attempts were last given
    std::int64_t behind = 0; // deliveries waiting behind it
};

// The last hour's: deliveries done, runs that failed (timed out and lost ones too), deliveries that
// died (whose last run is among the failed).
struct HookCounts {
    std::string hook;
    std::int64_t waiting = 0, running = 0, dead = 0;
    std::int64_t done_1h = 0, failed_1h = 0, dead_1h = 0;  // what happened, whatever came after it
    std::optional<Millis> oldest_due_at{};  // waiting, due now, nothing before it in its lane

    // Of those that died in the last hour, how many are still dead, as far as the counts tell.
    std::int64_t newly_dead() const { return std::min(dead, dead_1h); }
};

struct StoreStatus {
    std::int64_t events_new = 0, events_matched = 0, events_skipped = 0;
    std::int64_t waiting = 0, running = 0, done = 0, dead = 0, merged = 0, cancelled = 0;
    std::int64_t due = 0;                 // waiting, due now, nothing before it in its lane
    std::optional<Millis> oldest_due_at;  // of those
    std::optional<Millis> oldest_new_at;  // received_at of the oldest `new` event
    std::int64_t unfinished = 0;          // events, as limits.queue counts
    std::vector<WorkerRecord> workers;    // those that live
    bool worker_runs = false;             // also one that is starting, and not among them yet
    std::optional<OnceRecord> once;
    std::vector<ClockRecord> clocks;      // of the machines whose workers use the store
    std::vector<BlockedLane> blocked;     // at most 100, oldest first
    std::vector<HookCounts> hooks;        // by name, those with something to count

    // There are COUNT of WHAT: a state's name, of events (HOOK empty) or of deliveries of HOOK; or
    // "unfinished", of events.  Other words are passed over.  Those of one hook come together.
    void add_tally(std::string_view hook, std::string_view what, std::int64_t count);
    // Of HOOK, which has been tallied: the last hour's.
    void set_rates(std::string_view hook, std::int64_t done_1h, std::int64_t failed_1h,
                   std::int64_t dead_1h);
    // Counts COUNT more deliveries of HOOK, which is among `hooks`, as due, the oldest since OLDEST.
    void add_due(std::string_view hook, std::int64_t count, Millis oldest);
    // Drops the hooks that have nothing to count.
    void drop_idle_hooks();
};

}  // namespace bx
