#include "sqlite/list.h"

#include <algorithm>
#include <limits>
#include <list>
#include <utility>

#include "base/text.h"
#include "sqlite/events.h"
#include "sqlite/lanes.h"
#include "sqlite/statements.h"
#include "store/errors.h"
#include "store/facts.h"
#include "store/listing.h"

namespace bx::sqlite {

namespace {

constexpr Millis out_of_order = minute;  // gateways' times, see `clock_step`
constexpr int shown_stderr = 4096;       // bytes at its end, for its last line

// A delivery that is open; its blocker is looked up when it is shown.
DeliveryRecord read_open_delivery(Names& names, const Rows& rows, Lane& lane) {
    using row = sql::open_delivery;
    const DeliveryId d = rows.number(row::d);
    DeliveryRecord record;
    record.event = event_of(d);
    record.hook = names.hook_name(hook_of(d));
    record.reason = rows.text(row::reason);
    record.max_attempts = static_cast<int>(rows.number(row::max_attempts));
    if (const auto attempt = rows.maybe_number(row::running)) {
        record.state = DeliveryState::running;
        record.attempt = static_cast<int>(*attempt);
        return record;
    }
    record.attempt = static_cast<int>(rows.number(row::attempt));
    record.due_at = rows.number(row::due_at);
    lane = rows.maybe_number(row::lane);
    return record;
}

DeliveryRecord read_ended_delivery(Names& names, const Rows& rows) {
    using row = sql::ended_delivery;
    const DeliveryId d = rows.number(row::d);
    DeliveryRecord record;
    record.event = event_of(d);
    record.hook = names.hook_name(hook_of(d));
    record.state = static_cast<DeliveryState>(rows.number(row::state));
    record.reason = rows.text(row::reason);
    record.attempt = static_cast<int>(rows.number(row::attempt));
    record.max_attempts = static_cast<int>(rows.number(row::max_attempts));
    record.merged_into = rows.maybe_number(row::merged_into);
    record.ended_at = rows.number(row::at);
    return record;
}

}  // namespace

std::vector<DeliveryRecord> deliveries(Names& names, EventNumber event) {
    Database& database = names.database();
    std::vector<DeliveryRecord> found;
    {
        Rows rows = database.rows(sql::open_deliveries, first_of(event), last_of(event));
        while (rows.next()) {
            Lane lane;
            found.push_back(read_open_delivery(names, rows, lane));
            if (lane) {
                found.back().blocked_by =
                    blocker(database, rows.number(sql::open_delivery::d), lane);
            }
        }
    }
    {
        Rows rows = database.rows(sql::ended_deliveries, first_of(event), last_of(event));
        while (rows.next()) found.push_back(read_ended_delivery(names, rows));
    }
    std::ranges::sort(found, {}, &DeliveryRecord::hook);
    return found;
}

namespace {

// Numbers of events that may be on the list, newest first: the streams of each kind of row, merged.
class Candidates {
public:
    // HOOK: rows of that one only; 0: of any.
    Candidates(Database& database, const ListFilter& filter, HookId hook);

    std::optional<EventNumber> next();  // smaller than the last
    // Passes over those that are not smaller than N.
    void go_below(EventNumber n) { below_ = std::min(below_, n); }

private:
    struct Stream {
        Rows rows;
        std::optional<EventNumber> head;
    };
    template <int parameters, typename... Values>
    void add(const Statement<parameters>& statement, const Values&... values) {
        streams_.push_back({db_.rows(statement, values..., smallest_, greatest_), std::nullopt});
    }
    void add_streams_of(RowState state);
    bool advance(Stream& stream) const;

    Database& db_;
    const HookId hook_;
    const EventNumber smallest_;
    EventNumber greatest_ = event_of(std::numeric_limits<DeliveryId>::max());
    std::list<Stream> streams_;
    EventNumber below_ = std::numeric_limits<EventNumber>::max();
};

Candidates::Candidates(Database& database, const ListFilter& filter, HookId hook)
    : db_(database), hook_(hook), smallest_(filter.after + 1) {
    if (filter.beyond) {
        const EventNumber last = filter.beyond->event - (filter.beyond->hook.empty() ? 1 : 0);
        greatest_ = std::min(greatest_, last);
    }
    if (filter.states.empty() && filter.hooks.empty()) {
        add(sql::list_all);
        return;
    }
    std::vector<RowState> states = filter.states;
    if (states.empty()) states.assign(row_states().begin(), row_states().end());
    for (const RowState state : states) add_streams_of(state);
}

void Candidates::add_streams_of(RowState state) {
    switch (state) {
        case RowState::fresh:
            add(sql::list_new);
            return add(sql::list_unmatched);
        case RowState::skipped: return add(sql::list_skipped);
        case RowState::waiting: return add(sql::list_waiting, hook_);
        case RowState::running: return add(sql::list_running, hook_);
        case RowState::done: return add(sql::list_done, hook_);
        case RowState::dead: return add(sql::list_dead, hook_);
        case RowState::merged: return add(sql::list_merged, hook_);
        case RowState::cancelled: return add(sql::list_cancelled, hook_);
    }
}

// False: it has come to its end.
bool Candidates::advance(Stream& stream) const {
    while (!stream.head || *stream.head >= below_) {
        if (!stream.rows.next()) return false;
        stream.head = stream.rows.number(0);
    }
    return true;
}

std::optional<EventNumber> Candidates::next() {
    std::erase_if(streams_, [this](Stream& stream) { return !advance(stream); });
    if (streams_.empty()) return std::nullopt;
    below_ = std::ranges::max_element(streams_, {}, &Stream::head)->head.value();
    return below_;
}

class Lister {
public:
    Lister(Names& names, const ListFilter& filter, HookId hook)
        : names_(names), filter_(filter), candidates_(names.database(), filter, hook) {}

    std::vector<ListRow> list();

private:
    std::optional<StoredEvent> matching_event(EventNumber number);
    bool is_of_portal(const Rows& rows);
    bool is_of_time(EventNumber number, Millis received_at);
    void add(const StoredEvent& event);

    Names& names_;
    const ListFilter& filter_;
    Candidates candidates_;
    std::vector<ListRow> rows_;
};

// Those in front of one that is too old are older still, as far back as to where the clock was set
// back.
bool Lister::is_of_time(EventNumber number, Millis received_at) {
    if (filter_.to && received_at >= *filter_.to) return false;
    if (received_at >= filter_.from) return true;
    if (received_at < filter_.from - out_of_order) {
        const auto step = names_.database().maybe_number(sql::last_clock_step, number);
        candidates_.go_below(step.value_or(0));
    }
    return false;
}

bool Lister::is_of_portal(const Rows& rows) {
    if (filter_.portal.empty()) return true;
    const Portal& portal = names_.portal(rows.number(sql::event_row::portal));
    return bx::is_of_portal(filter_, portal.domain, portal.member_id);
}

// Reads no more than it needs: it may be asked about all events.
std::optional<StoredEvent> Lister::matching_event(EventNumber number) {
    StoredEvent event;
    event.number = number;
    {
        using row = sql::event_row;
        Rows rows = names_.database().rows(sql::list_event, number);
        if (!rows.next() || !is_of_time(number, rows.number(row::received_at))) return std::nullopt;
        const std::string_view facts = rows.view(row::facts);
        if (!filter_.code_glob.empty() &&
            !glob_match(filter_.code_glob, packed_code(facts), true)) {
            return std::nullopt;
        }
        if (!is_of_portal(rows)) return std::nullopt;
        read_facts(names_, rows, 0, event);
        event.installation = rows.maybe_number(row::installation);
    }
    if (!filter_.id.empty() && event.facts.id != filter_.id) return std::nullopt;
    read_state(names_.database(), event);
    return event;
}

void Lister::add(const StoredEvent& event) {
    if (event.state != EventState::matched) {
        ListRow row{event};
        if (passes(filter_, row)) rows_.push_back(std::move(row));
        return;
    }
    std::vector<DeliveryRecord> found = deliveries(names_, event.number);
    for (auto delivery = found.rbegin(); delivery != found.rend(); ++delivery) {
        if (rows_.size() >= filter_.limit) return;
        ListRow row{event, std::move(*delivery)};
        if (passes(filter_, row)) rows_.push_back(std::move(row));
    }
}

std::vector<ListRow> Lister::list() {
    while (rows_.size() < filter_.limit) {
        const std::optional<EventNumber> number = candidates_.next();
        if (!number) break;
        if (const std::optional<StoredEvent> event = matching_event(*number)) add(*event);
    }
    return std::move(rows_);
}

// The end of what the last run wrote, if it is the one that failed.
std::string stderr_end(Names& names, const DeliveryRecord& delivery) {
    const std::optional<HookId> hook = names.known_hook(delivery.hook);
    if (!hook) return {};
    const DeliveryId d = delivery_id(delivery.event, *hook);
    Rows rows = names.database().rows(delivery.ended_at ? sql::err_of_end : sql::err_of_attempt, d,
                                      -shown_stderr);
    return rows.next() ? rows.text(0) : std::string();
}

}  // namespace

std::vector<ListRow> list(Names& names, const ListFilter& filter) {
    const Transaction moment(names.database(), Transaction::Kind::read);
    HookId one = 0;
    if (filter.hooks.size() == 1) {
        const std::optional<HookId> hook = names.known_hook(filter.hooks.front());
        if (!hook) return {};
        one = *hook;
    }
    return Lister(names, filter, one).list();
}

// What is damaged is the trouble of its row alone.
void add_causes(Names& names, std::span<ListRow> rows) {
    const Transaction moment(names.database(), Transaction::Kind::read);
    for (ListRow& row : rows) {
        try {
            if (has_failed(row)) row.stderr_end = stderr_end(names, *row.delivery);
            if (row.event.state != EventState::skipped) continue;
            row.event.refused = refusals(names.database(), row.event.number);
        } catch (const StoreDamaged&) {
        }
    }
}

}  // namespace bx::sqlite
