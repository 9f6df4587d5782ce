#include "postgres/list.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "postgres/events.h"
#include "store/listing.h"

namespace bx::postgres {

namespace {

constexpr std::int64_t list_page = 500;      // rows asked for at a time
constexpr std::int64_t shown_stderr = 4096;  // bytes at its end, for its last line

// The order of the columns is that of read_delivery.  To people a claim waits until it is started.
constexpr std::string_view delivery_columns =
    "d.event, d.hook, CASE WHEN d.state = 1 "
    "AND NOT bxhook.is_started(d.event, d.hook, d.attempt) THEN 0 ELSE d.state END, d.reason, "
    "CASE WHEN d.state = 1 "
    "AND NOT bxhook.is_started(d.event, d.hook, d.attempt) THEN d.attempt - 1 ELSE d.attempt END, "
    "d.max_attempts, d.due_at, d.merged_into, d.ended_at, d.turn, d.portal, d.lane, d.state";
constexpr int delivery_width = 13;

// The rows of `list`, newest first: those of one state, or of any.  $1 is the smallest event, $2 and
// $3 the row that they come after, $4 the one hook or empty, $5 the entity's id or empty, $6 the time
// they were received before, $7 how many.
std::string list_statement(std::optional<RowState> state) {
    const std::string columns =
        "SELECT " + std::string(delivery_columns) + ", " + std::string(event_columns) +
        " FROM bxhook.event AS e ";
    const std::string page =
        " AND e.n >= $1 AND e.n <= $2 AND (e.n < $2 OR d.hook < $3) "
        "AND ($4 = '' OR d.hook = $4) AND ($5 = ''::bytea OR e.id = $5) AND e.received_at < $6 "
        "ORDER BY e.n DESC, d.hook DESC LIMIT $7";
    if (!state) {
        return columns + "LEFT JOIN bxhook.delivery AS d ON d.event = e.n WHERE true" + page;
    }
    if (is_of_event(*state)) {
        return columns + "LEFT JOIN bxhook.delivery AS d ON false " +
               "WHERE e.state <> 1 AND e.state = " +
               std::to_string(static_cast<int>(event_state(*state))) + page;
    }
    std::string join = "JOIN bxhook.delivery AS d ON d.event = e.n WHERE d.state = " +
                       std::to_string(static_cast<int>(delivery_state(*state)));
    if (state == RowState::running) {
        join += " AND bxhook.is_started(d.event, d.hook, d.attempt)";
    }
    return columns + join + page;
}

// A row of a statement, for `passes`.
class Columns {
public:
    Columns(const StoredEvent& event, const std::string& hook) : event_(event), hook_(hook) {}

    Millis received_at() const { return event_.received_at; }
    const std::string& hook() const { return hook_; }
    const std::string& code() const { return event_.facts.code; }
    const std::string& domain() const { return event_.facts.domain; }
    const std::string& member_id() const { return event_.facts.member_id; }

private:
    const StoredEvent& event_;
    const std::string& hook_;
};

struct DeliveryRow {
    DeliveryRecord record;
    std::string portal;
    std::string lane;
    bool behind = false;  // another of its lane
};

DeliveryRow read_delivery(const Session& session, const Result& answer, int row) {
    DeliveryRow delivery;
    DeliveryRecord& record = delivery.record;
    record.event = answer.number(row, 0);
    record.hook = answer.text(row, 1);
    record.state = static_cast<DeliveryState>(answer.number(row, 2));
    record.reason = answer.text(row, 3);
    record.attempt = static_cast<int>(answer.number(row, 4));
    record.max_attempts = static_cast<int>(answer.number(row, 5));
    record.due_at = session.ours(answer.maybe_number(row, 6));
    record.merged_into = answer.maybe_number(row, 7);
    record.ended_at = session.ours(answer.maybe_number(row, 8));
    delivery.portal = answer.text(row, 10);
    delivery.lane = answer.text(row, 11);
    delivery.behind = answer.number(row, 12) == 0 && answer.is_null(row, 9);
    return delivery;
}

// The unfinished delivery right before it in its lane; for one that was put back before a running
// one, that one.
std::optional<EventNumber> blocker(Session& session, const DeliveryRow& delivery) {
    const Result answer = session.call(
        "SELECT max(event) FILTER (WHERE state = 0 AND event < $4), "
        "max(event) FILTER (WHERE state = 1) FROM bxhook.delivery "
        "WHERE hook = $1 AND portal = $2 AND lane = $3 AND state < 2",
        {Param::text(delivery.record.hook), Param::bytes(delivery.portal),
         Param::bytes(delivery.lane), Param::number(delivery.record.event)});
    const std::optional<EventNumber> before = answer.maybe_number(0, 0);
    const std::optional<EventNumber> running = answer.maybe_number(0, 1);
    if (!running) return before;
    if (!before || (*running < delivery.record.event && *running > *before)) return running;
    return before;
}

ListRow read_row(Session& session, const Result& answer, int row, StoredEvent event) {
    ListRow line;
    line.event = std::move(event);
    if (answer.is_null(row, 0)) return line;
    const DeliveryRow delivery = read_delivery(session, answer, row);
    line.delivery = delivery.record;
    if (delivery.behind) line.delivery->blocked_by = blocker(session, delivery);
    return line;
}

// The rows of one statement of a list, those that match, read in pages.
class Source {
public:
    // LARGEST is beyond all events that may be seen.
    Source(Session& session, std::optional<RowState> state, const ListFilter& filter,
           EventNumber smallest, EventNumber largest)
        : session_(session),
          statement_(list_statement(state)),
          filter_(filter),
          smallest_(smallest),
          beyond_(filter.beyond.value_or(DeliveryName{largest, {}})) {
        beyond_.event = std::min(beyond_.event, largest);
        next();
    }

    bool has_row() const { return event_.has_value(); }
    const DeliveryName& place() const { return beyond_; }
    // The row, which there is; then on to the next.
    ListRow take() {
        ListRow row = read_row(session_, *page_, at_, std::move(*event_));
        next();
        return row;
    }

private:
    void next() {
        event_.reset();
        while (has_more()) {
            StoredEvent event = read_event(session_, *page_, ++at_, delivery_width);
            beyond_ = {event.number, page_->text(at_, 1)};
            if (!passes(filter_, Columns(event, beyond_.hook))) continue;
            event_ = std::move(event);
            return;
        }
    }
    bool has_more() {
        if (page_ && at_ + 1 < page_->rows()) return true;
        if (page_ && page_->rows() < list_page) return false;
        constexpr auto for_ever = std::numeric_limits<std::int64_t>::max();
        page_ = session_.call(
            statement_,
            {Param::number(smallest_), Param::number(beyond_.event), Param::text(beyond_.hook),
             Param::text(hook_of(filter_)), Param::bytes(filter_.id),
             filter_.to ? session_.at(*filter_.to) : Param::number(for_ever),
             Param::number(list_page)});
        at_ = -1;
        return page_->rows() > 0;
    }

    Session& session_;
    const std::string statement_;
    const ListFilter& filter_;
    const EventNumber smallest_;
    DeliveryName beyond_;  // the row read last
    std::optional<Result> page_;
    int at_ = -1;  // in the page
    std::optional<StoredEvent> event_;  // of the row that is next
};

std::vector<Source> list_sources(Session& session, const ListFilter& filter, EventNumber smallest) {
    const std::vector<std::optional<RowState>> states = states_of(filter);
    // Who asks for those after the last one that was seen misses none.
    const EventNumber largest = seen_up_to(session) + 1;
    std::vector<Source> sources;
    sources.reserve(states.size());
    for (const std::optional<RowState> state : states) {
        sources.emplace_back(session, state, filter, smallest, largest);
    }
    return sources;
}

void add_stderr_ends(Session& session, std::span<ListRow> rows) {
    std::vector<std::int64_t> events;
    std::vector<std::string> hooks;
    std::vector<ListRow*> failed;
    for (ListRow& row : rows) {
        if (!has_failed(row)) continue;
        events.push_back(row.event.number);
        hooks.push_back(row.delivery->hook);
        failed.push_back(&row);
    }
    if (failed.empty()) return;
    const Result ends = session.call(
        "SELECT i, (SELECT substring(a.err FROM greatest(1, length(a.err) + 1 - $3::integer)) "
        "FROM bxhook.attempt AS a WHERE a.event = e AND a.hook = h ORDER BY a.attempt DESC LIMIT 1) "
        "FROM unnest($1, $2) WITH ORDINALITY AS u (e, h, i)",
        {Param::numbers(events), Param::texts(hooks), Param::number(shown_stderr)});
    for (int row = 0; row < ends.rows(); ++row) {
        failed.at(static_cast<std::size_t>(ends.number(row, 0)) - 1)->stderr_end =
            ends.text(row, 1);
    }
}

void add_refusals(Session& session, std::span<ListRow> rows) {
    std::map<EventNumber, ListRow*> skipped;
    std::vector<std::int64_t> events;
    for (ListRow& row : rows) {
        if (row.event.state != EventState::skipped) continue;
        row.event.refused.clear();
        skipped[row.event.number] = &row;
        events.push_back(row.event.number);
    }
    if (events.empty()) return;
    const Result refused = session.call(
        "SELECT r.event, r.hook, r.reason, r.rule FROM unnest($1) AS u (e) CROSS JOIN LATERAL ("
        "SELECT * FROM bxhook.refusal WHERE event = e ORDER BY hook) AS r",
        {Param::numbers(events)});
    for (int row = 0; row < refused.rows(); ++row) {
        skipped.at(refused.number(row, 0))
            ->event.refused.push_back({refused.text(row, 1), refused.text(row, 2),
                                       static_cast<HookRule>(refused.number(row, 3))});
    }
}

}  // namespace

std::vector<ListRow> list(Session& session, const ListFilter& filter) {
    EventNumber smallest = filter.after + 1;
    if (filter.from > 0) {
        // The clock may have stepped: an older event can have a later time, never the reverse here.
        const Result first =
            session.call("SELECT min(n) FROM bxhook.event WHERE received_at >= $1",
                         {session.at(filter.from)});
        if (first.is_null(0, 0)) return {};
        smallest = std::max(smallest, first.number(0, 0));
    }
    std::vector<Source> sources = list_sources(session, filter, smallest);
    return merge_rows(sources, filter.limit);
}

void add_causes(Session& session, std::span<ListRow> rows) {
    add_stderr_ends(session, rows);
    add_refusals(session, rows);
}

std::vector<DeliveryRecord> deliveries(Session& session, EventNumber number) {
    static const std::string statement =
        "SELECT " + std::string(delivery_columns) +
        " FROM bxhook.delivery AS d WHERE d.event = $1 ORDER BY d.hook";
    const Result answer = session.call(statement, {Param::number(number)});
    std::vector<DeliveryRecord> found;
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryRow delivery = read_delivery(session, answer, row);
        found.push_back(delivery.record);
        if (delivery.behind) found.back().blocked_by = blocker(session, delivery);
    }
    return found;
}

}  // namespace bx::postgres
