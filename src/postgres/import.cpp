#include "postgres/import.h"

#include "postgres/schema.h"

namespace bx::postgres {

namespace {

constexpr Millis patience = 60 * second;
constexpr std::int64_t shard = -2;  // nobody else counts there
// Numbers left to the other store: more than it can be given while the gateways change over.
constexpr EventNumber gap = 1'000'000;

using MaybeNumber = std::optional<std::int64_t>;

// The columns of rows that are filled one by one.
class Columns {
public:
    explicit Columns(std::size_t count) : columns_(count) {}

    Columns& number(MaybeNumber value) { return next().numbers.push_back(value), *this; }
    Columns& text(const std::string& value) { return next().texts.push_back(value), *this; }
    Columns& bytes(std::optional<std::string> value) {
        return next().bytes.push_back(std::move(value)), *this;
    }
    // Each as an array; all of them must have had a row, or the types are not known.
    void append_to(Params& params) const {
        for (const Column& column : columns_) {
            if (!column.texts.empty()) {
                params.push_back(Param::texts(column.texts));
            } else if (!column.bytes.empty()) {
                params.push_back(Param::bytes(column.bytes));
            } else {
                params.push_back(Param::numbers(column.numbers));
            }
        }
    }
    bool empty() const { return at_ == 0; }

private:
    struct Column {
        std::vector<MaybeNumber> numbers;
        std::vector<std::string> texts;
        std::vector<std::optional<std::string>> bytes;
    };
    Column& next() { return columns_[at_++ % columns_.size()]; }

    std::vector<Column> columns_;
    std::size_t at_ = 0;
};

void add_event(Columns& columns, const MovedEvent& moved) {
    const StoredEvent& event = moved.event;
    const EventFacts& facts = event.facts;
    const std::string lane = lane_of(facts);
    columns.number(event.number).number(static_cast<int>(event.state)).number(moved.ended_at);
    columns.number(event.secrets_erased).number(event.received_at).number(event.test);
    columns.text(facts.code).bytes(facts.kind).bytes(facts.id).bytes(facts.domain);
    columns.bytes(facts.member_id).bytes(facts.user_id).bytes(facts.handler_id).bytes(facts.ts);
    columns.bytes(facts.lane_portal());
    columns.bytes(lane.empty() ? std::nullopt : std::optional(lane));
    columns.bytes(event.reason).bytes(event.body).bytes(event.secrets);
}

void add_delivery(Columns& columns, const MovedDelivery& moved) {
    const DeliveryRecord& record = moved.record;
    columns.number(record.event).text(record.hook).number(static_cast<int>(record.state));
    columns.number(moved.ordered).number(record.attempt).number(record.max_attempts);
    columns.number(record.due_at).number(moved.failed_at).number(record.ended_at);
    columns.number(record.merged_into).bytes(record.reason);
}

void add_attempt(Columns& columns, const DeliveryRecord& of, const AttemptRecord& attempt) {
    columns.number(of.event).text(of.hook).number(attempt.attempt).text(attempt.run);
    columns.number(static_cast<int>(attempt.result)).number(attempt.exit).text(attempt.signal);
    columns.bytes(attempt.reason).number(attempt.started_at).number(attempt.ended_at);
    columns.bytes(attempt.out.kept).number(attempt.out.bytes);
    columns.bytes(attempt.err.kept).number(attempt.err.bytes);
}

class PostgresImport final : public StoreImport {
public:
    explicit PostgresImport(const std::string& url)
        : link_(url, {patience, {}}, steady_now() + patience) {
        check_schema(schema_version(link_, steady_now() + patience));
        link_.script("SET enable_seqscan = off; SET jit = off; SET search_path = ''; "
                     "SET default_transaction_isolation = 'read committed'",
                     steady_now() + patience);
    }

    void give_numbers_after(EventNumber last) override {
        link_.run("SELECT setval('bxhook.event_number', $1) FROM bxhook.event_number "
                  "WHERE last_value < $1",
                  {Param::number(last + gap)}, steady_now() + patience);
    }

    std::size_t take(std::span<const MovedEvent> events) override {
        if (events.empty()) return 0;
        const Millis until = steady_now() + patience;
        link_.script("BEGIN", until);
        const std::vector<std::int64_t> added = take_events(events, until);
        if (!added.empty()) take_deliveries(events, added, until);
        link_.script("COMMIT", until);
        return added.size();
    }

private:
    // Gives the numbers of those that were not there.
    std::vector<std::int64_t> take_events(std::span<const MovedEvent> events, Millis until) {
        Columns rows(19);
        std::vector<std::int64_t> refused_events;
        std::vector<std::string> refused_hooks;
        std::vector<std::optional<std::string>> reasons;
        for (const MovedEvent& event : events) {
            add_event(rows, event);
            for (const Refusal& refusal : event.event.refused) {
                refused_events.push_back(event.event.number);
                refused_hooks.push_back(refusal.hook);
                reasons.emplace_back(refusal.reason);
            }
        }
        Params params{Param::number(shard), Param::number(wall_now())};
        rows.append_to(params);
        params.push_back(Param::numbers(refused_events));
        params.push_back(Param::texts(refused_hooks));
        params.push_back(Param::bytes(reasons));
        const Result taken = link_.run(
            "SELECT unnest(bxhook.take($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
            "$13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24))",
            params, until);
        std::vector<std::int64_t> added;
        for (int row = 0; row < taken.rows(); ++row) added.push_back(taken.number(row, 0));
        take_marks(events, added, until);
        return added;
    }

    // What version 1.0 had no place for.
    void take_marks(std::span<const MovedEvent> events, const std::vector<std::int64_t>& added,
                    Millis until) {
        std::vector<std::int64_t> numbers, dead, more;
        for (const MovedEvent& moved : events) {
            if (!moved.event.retryable && moved.event.refused_more == 0) continue;
            numbers.push_back(moved.event.number);
            dead.push_back(moved.event.retryable);
            more.push_back(moved.event.refused_more);
        }
        if (!numbers.empty()) {
            link_.run("UPDATE bxhook.event SET dead = d, refused_more = m "
                      "FROM unnest($2, $3, $4) AS u (e, d, m) WHERE n = e AND e = ANY ($1)",
                      {Param::numbers(added), Param::numbers(numbers), Param::numbers(dead),
                       Param::numbers(more)}, until);
        }
        take_rules(events, added, until);
    }

    void take_rules(std::span<const MovedEvent> events, const std::vector<std::int64_t>& added,
                    Millis until) {
        std::vector<std::int64_t> numbers, rules;
        std::vector<std::string> hooks;
        for (const MovedEvent& moved : events) {
            for (const Refusal& refusal : moved.event.refused) {
                numbers.push_back(moved.event.number);
                hooks.push_back(refusal.hook);
                rules.push_back(static_cast<int>(refusal.rule));
            }
        }
        if (numbers.empty()) return;
        link_.run("UPDATE bxhook.refusal SET rule = r FROM unnest($2, $3, $4) AS u (e, h, r) "
                  "WHERE event = e AND hook = h AND e = ANY ($1)",
                  {Param::numbers(added), Param::numbers(numbers), Param::texts(hooks),
                   Param::numbers(rules)}, until);
    }

    void take_granted(std::span<const MovedEvent> events, const std::vector<std::int64_t>& added,
                      Millis until) {
        std::vector<std::int64_t> numbers, granted;
        std::vector<std::string> hooks;
        for (const MovedEvent& event : events) {
            for (const MovedDelivery& delivery : event.deliveries) {
                if (delivery.granted == 0) continue;
                numbers.push_back(event.event.number);
                hooks.push_back(delivery.record.hook);
                granted.push_back(delivery.granted);
            }
        }
        if (numbers.empty()) return;
        link_.run("UPDATE bxhook.delivery SET granted = g FROM unnest($2, $3, $4) AS u (e, h, g) "
                  "WHERE event = e AND hook = h AND e = ANY ($1)",
                  {Param::numbers(added), Param::numbers(numbers), Param::texts(hooks),
                   Param::numbers(granted)}, until);
    }

    void take_deliveries(std::span<const MovedEvent> events, const std::vector<std::int64_t>& added,
                         Millis until) {
        Columns deliveries(11), attempts(14);
        for (const MovedEvent& event : events) {
            for (const MovedDelivery& delivery : event.deliveries) {
                add_delivery(deliveries, delivery);
                for (const AttemptRecord& attempt : delivery.attempts) {
                    add_attempt(attempts, delivery.record, attempt);
                }
            }
        }
        if (deliveries.empty()) return;
        Params params{Param::number(shard), Param::number(wall_now()), Param::numbers(added)};
        deliveries.append_to(params);
        link_.run("SELECT bxhook.take_deliveries($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
                  "$11, $12, $13, $14)",
                  params, until);
        take_granted(events, added, until);
        if (attempts.empty()) return;
        Params rows{Param::numbers(added)};
        attempts.append_to(rows);
        link_.run("INSERT INTO bxhook.attempt (event, hook, attempt, run, result, exit, signal, "
                  "reason, started_at, ended_at, out, out_bytes, err, err_bytes) "
                  "SELECT e, h, a, r, s, x, g, y, b, z, o, ob, i, ib FROM unnest($2, $3, $4, $5, "
                  "$6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
                  "AS u (e, h, a, r, s, x, g, y, b, z, o, ob, i, ib) WHERE e = ANY ($1)",
                  rows, until);
    }

    Link link_;
};

}  // namespace

std::unique_ptr<StoreImport> open_import(const std::string& url) {
    return std::make_unique<PostgresImport>(url);
}

}  // namespace bx::postgres
