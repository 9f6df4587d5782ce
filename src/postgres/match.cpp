// The matcher's part of the PostgreSQL store.
#include <algorithm>
#include <limits>

#include "postgres/events.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

using MaybeBytes = std::vector<std::optional<std::string>>;

// The columns of many verdicts, filled row by row.
struct DispatchColumns {
    std::vector<std::int64_t> number, retryable, more, refused_event, event, ordered, coalesce, max,
        due;
    MaybeBytes skip, refused_reason;
    std::vector<std::string> refused_hook, hook;
};

DispatchColumns columns_of(std::span<const Dispatch> verdicts, const Session& session) {
    DispatchColumns all;
    for (const Dispatch& verdict : verdicts) {
        all.number.push_back(verdict.event);
        const bool skipped = verdict.deliveries.empty();
        all.skip.push_back(skipped ? std::optional(verdict.skip_reason) : std::nullopt);
        all.retryable.push_back(verdict.retryable);
        all.more.push_back(verdict.refused_more);
        for (const Refusal& refusal : verdict.refused) {
            all.refused_event.push_back(verdict.event);
            all.refused_hook.push_back(refusal.hook);
            all.refused_reason.push_back(refusal.reason);
        }
        for (const NewDelivery& delivery : verdict.deliveries) {
            all.event.push_back(verdict.event);
            all.hook.push_back(delivery.hook);
            all.ordered.push_back(delivery.ordered);
            all.coalesce.push_back(delivery.coalesce);
            all.max.push_back(delivery.max_attempts);
            all.due.push_back(session.theirs(delivery.due_at));
        }
    }
    return all;
}

// Why deliveries wait beyond their time, where there is something to say.
struct ReasonColumns {
    std::vector<std::int64_t> event;
    std::vector<std::string> hook;
    MaybeBytes reason;
};

ReasonColumns reasons_of(std::span<const Dispatch> verdicts) {
    ReasonColumns all;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            if (delivery.reason.empty()) continue;
            all.event.push_back(verdict.event);
            all.hook.push_back(delivery.hook);
            all.reason.push_back(delivery.reason);
        }
    }
    return all;
}

class Matching final : public MatchQueue {
public:
    explicit Matching(Session& session) : session_(session) {}

    std::vector<StoredEvent> undispatched(std::size_t at_most, std::size_t bytes) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override;
    std::string fingerprint(const std::string& host) override;
    void keep_fingerprint(const std::string& host, const std::string& fingerprint) override;
    std::size_t renew_skipped(Millis from, Millis before, std::size_t at_most) override;

private:
    void note_reasons(std::span<const Dispatch> verdicts);

    Session& session_;
};

std::vector<StoredEvent> Matching::undispatched(std::size_t at_most, std::size_t bytes) {
    // octet_length reads no bytes, only how many there are.
    static const std::string statement =
        "SELECT " + std::string(event_columns) + ", e.body, e.secret FROM "
        "(SELECT *, sum(coalesce(octet_length(body), 0) + coalesce(octet_length(secret), 0)) "
        "OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ahead FROM "
        "(SELECT e.*, b.data AS body, s.data AS secret FROM bxhook.event AS e "
        "LEFT JOIN bxhook.body AS b ON b.event = e.n LEFT JOIN bxhook.secret AS s ON s.event = e.n "
        "WHERE e.state = 0 AND e.state <> 1 AND e.n <= $2 ORDER BY e.n LIMIT $1) AS oldest) AS e "
        "WHERE ahead IS NULL OR ahead < $3 ORDER BY e.n";
    constexpr std::size_t limit = std::numeric_limits<std::int64_t>::max();
    const EventNumber last = seen_up_to(session_);
    const Result answer =
        session_.call(statement, {Param::number(static_cast<std::int64_t>(at_most)),
                                  Param::number(last),
                                  Param::number(static_cast<std::int64_t>(std::min(bytes, limit)))});
    std::vector<StoredEvent> events;
    for (int row = 0; row < answer.rows(); ++row) {
        events.push_back(read_event(session_, answer, row, 0));
        read_payload(events.back(), answer, row, event_width);
    }
    return events;
}

void Matching::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    const DispatchColumns all = columns_of(verdicts, session_);
    session_.call(
        "SELECT bxhook.dispatch($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
        "$14, $15)",
        {session_.shard(), session_.at(now), Param::numbers(all.number), Param::bytes(all.skip),
         Param::numbers(all.retryable), Param::numbers(all.more),
         Param::numbers(all.refused_event), Param::texts(all.refused_hook),
         Param::bytes(all.refused_reason), Param::numbers(all.event), Param::texts(all.hook),
         Param::numbers(all.ordered), Param::numbers(all.coalesce), Param::numbers(all.max),
         Param::numbers(all.due)});
    note_reasons(verdicts);
}

// In a statement of its own: were it lost, the deliveries would wait all the same.
void Matching::note_reasons(std::span<const Dispatch> verdicts) {
    const ReasonColumns all = reasons_of(verdicts);
    if (all.event.empty()) return;
    session_.call("UPDATE bxhook.delivery AS d SET reason = u.r "
                  "FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS u (e, h, r) "
                  "WHERE d.event = u.e AND d.hook = u.h AND d.state = 0 AND d.reason = ''",
                  {Param::numbers(all.event), Param::texts(all.hook), Param::bytes(all.reason)});
}

bool Matching::merge_ahead(std::span<const Dispatch> verdicts, Millis now) {
    std::vector<std::int64_t> events;
    std::vector<std::string> hooks;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            if (!delivery.coalesce || !delivery.ordered) continue;
            events.push_back(verdict.event);
            hooks.push_back(delivery.hook);
        }
    }
    if (events.empty()) return false;
    return session_.call("SELECT bxhook.merge_ahead($1::integer, $2, $3, $4)",
                         {session_.shard(), session_.at(now), Param::numbers(events),
                          Param::texts(hooks)})
               .number(0, 0) != 0;
}

std::string Matching::fingerprint(const std::string& host) {
    const Result answer = session_.call("SELECT fingerprint FROM bxhook.hooks_seen WHERE host = $1",
                                        {Param::text(host)});
    return answer.rows() > 0 ? answer.text(0, 0) : std::string();
}

void Matching::keep_fingerprint(const std::string& host, const std::string& fingerprint) {
    session_.call("INSERT INTO bxhook.hooks_seen (host, fingerprint) VALUES ($1, $2) "
                  "ON CONFLICT (host) DO UPDATE SET fingerprint = excluded.fingerprint",
                  {Param::text(host), Param::text(fingerprint)});
}

std::size_t Matching::renew_skipped(Millis from, Millis before, std::size_t at_most) {
    const Result renewed = session_.call(
        "SELECT count(*) FILTER (WHERE bxhook.renew($1::integer, n)) FROM ("
        "SELECT n FROM bxhook.event WHERE ended_at IS NOT NULL AND dead > 0 AND ended_at >= $2 "
        "AND ended_at < $3 AND state = 2 AND received_at >= $2 ORDER BY ended_at LIMIT $4) AS old",
        {session_.shard(), session_.at(from), session_.at(before),
         Param::number(static_cast<std::int64_t>(at_most))});
    return static_cast<std::size_t>(renewed.number(0, 0));
}

}  // namespace

std::unique_ptr<MatchQueue> make_match_queue(Session& session) {
    return std::make_unique<Matching>(session);
}

}  // namespace bx::postgres
