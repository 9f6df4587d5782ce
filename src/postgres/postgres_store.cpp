#include "postgres/postgres_store.h"

#include <endian.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/text.h"
#include "config/config.h"
#include "postgres/schema.h"

namespace bx {

namespace {

// Less would not be enough to connect to a server some way off.
constexpr Millis least_limit = second;
constexpr int tries_at_most = 5;  // of a transaction that the server undid
constexpr int shards = 64;
constexpr Millis skew_tolerance = 2 * second;  // what connecting may take

std::int64_t random_number() {
    std::random_device device;
    const std::uint64_t bits = std::uint64_t{device()} << 32 | device();
    return static_cast<std::int64_t>(bits >> 1);
}

std::string hex(std::int64_t number) {
    std::array<char, 16> digits;
    return {digits.data(),
            std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr};
}

// Unlike any other; begins with the time, so that old ones are told and new ones lie together.
std::string batch_key() {
    std::string key;
    for (const std::uint64_t part : {static_cast<std::uint64_t>(wall_now()),
                                     static_cast<std::uint64_t>(random_number())}) {
        const std::uint64_t big = htobe64(part);
        key.append(reinterpret_cast<const char*>(&big), sizeof big);
    }
    return key;
}

constexpr std::string_view add_statement =
    "SELECT bxhook.add($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "$16, $17)";

// A column of a batch.
template <typename Part>
Param column(std::span<const NewEvent> events, Part part) {
    std::vector<std::optional<std::string>> list;
    list.reserve(events.size());
    for (const NewEvent& event : events) list.push_back(part(event));
    return Param::bytes(list);
}

template <typename Part>
Param numbers(std::span<const NewEvent> events, Part part) {
    std::vector<std::int64_t> list;
    list.reserve(events.size());
    for (const NewEvent& event : events) list.push_back(part(event));
    return Param::numbers(list);
}

}  // namespace

PostgresStore::PostgresStore(const std::string& url, const StoreOptions& options)
    : url_(url),
      options_(options),
      limit_(std::max(options.wait, least_limit)),
      owner_(random_number()),
      shard_(owner_ % shards),
      run_seed_(hex(random_number())) {
    link(until());
}

// -- The link

Link& PostgresStore::link(Millis until) {
    if (link_ && link_->lives()) return *link_;
    link_.reset();
    auto made = std::make_unique<Link>(url_, Link::Patience{limit_, options_.give_up}, until);
    set_up(*made, until);
    link_ = std::move(made);
    return *link_;
}

// One round trip.  Every statement has its index, and must use it also while a table is too small
// to be worth it: its plan is kept while the table grows.  A server that finds its client gone must
// let go of what that held.
void PostgresStore::set_up(Link& link, Millis until) {
    // Before we give up ourselves, so that it says which of the two it was.
    const std::string statement_limit = std::to_string(limit_ * 9 / 10);
    const std::string lock_limit = std::to_string(limit_ * 8 / 10);
    const Millis before = wall_now();
    const Result answer = link.script(
        "SET default_transaction_isolation = 'read committed'; SET search_path = ''; "
        "SET statement_timeout = " + statement_limit + "; SET lock_timeout = " + lock_limit + "; "
        "SET idle_in_transaction_session_timeout = '10s'; SET enable_seqscan = off; SET jit = off; "
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
        "SET enable_sort = off; "
        "SET plan_cache_mode = force_generic_plan; SET tcp_keepalives_idle = 5; "
        "SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; "
        "SET tcp_user_timeout = '10s'; "
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'; " +
            std::string(listens_ ? "LISTEN bxhook; " : "") +
            "SELECT major, minor, (extract(epoch FROM clock_timestamp()) * 1000)::bigint "
            "FROM bxhook.version",
        until);
    std::optional<SchemaVersion> version;
    const auto word = [&](int column) { return parse_number(answer.word(0, column)).value_or(0); };
    if (answer.rows() > 0) version = SchemaVersion{word(0), word(1)};
    check_schema(version);
    const Millis skew = word(2) - before;
    skew_ = std::abs(skew) < skew_tolerance ? 0 : skew / second * second;
}

Result PostgresStore::call(std::string_view sql, const Params& values) {
    const Millis end = until();
    for (int tries = 1;; ++tries) {
        try {
            return link(end).run(sql, values, end);
        } catch (const Conflict&) {
            if (tries == tries_at_most) throw;
        }
    }
}

std::optional<Millis> PostgresStore::ours(std::optional<Millis> moment) const {
    if (!moment) return std::nullopt;
    return ours(*moment);
}

// -- Gateway

std::vector<std::optional<EventNumber>> PostgresStore::add(std::span<const NewEvent> events,
                                                           std::int64_t queue_limit) {
    const auto lane = [](const NewEvent& event) -> std::optional<std::string> {
        std::string text = lane_of(event.facts);
        if (text.empty()) return std::nullopt;
        return text;
    };
    std::vector<std::string> codes;
    for (const NewEvent& event : events) codes.push_back(event.facts.code);
    const Params values{
        Param::number(shard_),
        Param::bytes(batch_key()),
        Param::number(queue_limit),
        numbers(events, [this](const NewEvent& event) { return theirs(event.received_at); }),
        numbers(events, [](const NewEvent& event) { return std::int64_t{event.test}; }),
        Param::texts(codes),
        column(events, [](const NewEvent& event) { return event.facts.kind; }),
        column(events, [](const NewEvent& event) { return event.facts.id; }),
        column(events, [](const NewEvent& event) { return event.facts.domain; }),
        column(events, [](const NewEvent& event) { return event.facts.member_id; }),
        column(events, [](const NewEvent& event) { return event.facts.user_id; }),
        column(events, [](const NewEvent& event) { return event.facts.handler_id; }),
        column(events, [](const NewEvent& event) { return event.facts.ts; }),
        column(events, [](const NewEvent& event) { return event.facts.lane_portal(); }),
        column(events, lane),
        column(events, [](const NewEvent& event) { return event.body; }),
        column(events, [](const NewEvent& event) { return event.secrets; })};
    const Result answer = add_surely(values);
    std::vector<std::optional<EventNumber>> numbers(events.size());
    for (int i = 0; i < answer.rows(); ++i) {
        numbers[static_cast<std::size_t>(i)] = answer.number(i, 0);
    }
    if (answer.rows() > 0) wake_workers();
    return numbers;
}

// A batch whose commit got no answer, or a doubtful one, is given again with its key, to whatever
// server now takes writes: that says whether it is there, and makes it be there.
Result PostgresStore::add_surely(const Params& values) {
    const Millis end = until();
    link(end);  // nothing was sent yet: its failure is the answer
    for (Millis pause = 10;; pause = std::min<Millis>(2 * pause, 100)) {
        try {
            Link& server = link(end);
            server.take_warning();
            Result answer = server.run(add_statement, values, end);
            if (!server.take_warning()) return answer;
            if (steady_now() >= end) {
                throw StoreAway("the server did not wait for its standby: the commit is in doubt");
            }
        } catch (const Conflict&) {
            if (steady_now() >= end) throw;
        } catch (const StoreAway&) {
            const bool told = options_.give_up && options_.give_up();
            if (told || steady_now() + pause >= end) throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
}

// What was added is there; who is not woken looks by itself within a second.
void PostgresStore::wake_workers() {
    try {
        call("SELECT bxhook.wake()", {});
    } catch (const StoreError&) {
    }
}

std::int64_t PostgresStore::probe() {
    return call("SELECT bxhook.probe($1::integer)", {Param::number(shard_)}).number(0, 0);
}

// -- Events

// In the order of event_columns.
StoredEvent PostgresStore::read_event(const Result& answer, int row, int first) const {
    StoredEvent event;
    event.number = answer.number(row, first);
    event.state = static_cast<EventState>(answer.number(row, first + 1));
    event.received_at = ours(answer.number(row, first + 2));
    event.test = answer.number(row, first + 3) != 0;
    event.reason = answer.text(row, first + 4);
    event.secrets_erased = answer.number(row, first + 5) != 0;
    event.facts = {answer.text(row, first + 6),  answer.text(row, first + 7),
                   answer.text(row, first + 8),  answer.text(row, first + 9),
                   answer.text(row, first + 10), answer.text(row, first + 11),
                   answer.text(row, first + 12), answer.text(row, first + 13)};
    event.retryable = event.state == EventState::skipped && answer.number(row, first + 14) > 0;
    return event;
}

// Body and secrets, from FIRST on.
void PostgresStore::read_payload(StoredEvent& event, const Result& answer, int row, int first) {
    if (answer.is_null(row, first)) event.damage = "its body is missing";
    event.body = answer.text(row, first);
    event.secrets = answer.text(row, first + 1);
}

std::optional<StoredEvent> PostgresStore::event(EventNumber number) {
    static const std::string statement =
        "SELECT " + std::string(event_columns) +
        ", b.data, s.data, e.refused_more FROM bxhook.event AS e "
        "LEFT JOIN bxhook.body AS b ON b.event = e.n "
        "LEFT JOIN bxhook.secret AS s ON s.event = e.n WHERE e.n = $1";
    const Result answer = call(statement, {Param::number(number)});
    if (answer.rows() == 0) return std::nullopt;
    StoredEvent event = read_event(answer, 0, 0);
    read_payload(event, answer, 0, event_width);
    event.refused_more = answer.number(0, event_width + 2);
    const Result refused = call(
        "SELECT hook, reason FROM bxhook.refusal WHERE event = $1 ORDER BY hook",
        {Param::number(number)});
    for (int row = 0; row < refused.rows(); ++row) {
        event.refused.push_back({refused.text(row, 0), refused.text(row, 1)});
    }
    return event;
}

EventNumber PostgresStore::seen_up_to() {
    return call("SELECT bxhook.seen_up_to()", {}).number(0, 0);
}

std::vector<StoredEvent> PostgresStore::undispatched(std::size_t at_most) {
    static const std::string statement =
        "SELECT " + std::string(event_columns) +
        ", b.data, s.data FROM bxhook.event AS e LEFT JOIN bxhook.body AS b ON b.event = e.n "
        "LEFT JOIN bxhook.secret AS s ON s.event = e.n "
        "WHERE e.state = 0 AND e.state <> 1 AND e.n <= $2 ORDER BY e.n LIMIT $1";
    const EventNumber last = seen_up_to();
    const Result answer = call(statement, {Param::number(static_cast<std::int64_t>(at_most)),
                                           Param::number(last)});
    std::vector<StoredEvent> events;
    for (int row = 0; row < answer.rows(); ++row) {
        events.push_back(read_event(answer, row, 0));
        read_payload(events.back(), answer, row, event_width);
    }
    return events;
}

std::int64_t PostgresStore::unfinished() {
    return call("SELECT bxhook.unfinished()", {}).number(0, 0);
}

}  // namespace bx
