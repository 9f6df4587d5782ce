#include "sqlite/list.h"

#include <algorithm>
#include <limits>
#include <list>
#include <utility>

#include "base/text.h"
#include "sqlite/events.h"
#include "sqlite/lanes.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

constexpr Millis out_of_order = minute;  // gateways' times, see `clock_step`

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
    Candidates(Database& database, const ListFilter& filter);

    std::optional<EventNumber> next();  // smaller than the last
    // Passes over those that are not smaller than N.
    void go_below(EventNumber n) { below_ = std::min(below_, n); }

private:
    void add(Rows rows) { streams_.push_back({std::move(rows), std::nullopt}); }
    void add_streams_of(RowState state, EventNumber smallest, EventNumber greatest);

    struct Stream {
        Rows rows;
        std::optional<EventNumber> head;
    };
    bool advance(Stream& stream) const;

    Database& db_;
    std::list<Stream> streams_;
    EventNumber below_ = std::numeric_limits<EventNumber>::max();
};

Candidates::Candidates(Database& database, const ListFilter& filter) : db_(database) {
    const EventNumber smallest = filter.after + 1;
    const EventNumber greatest = event_of(std::numeric_limits<DeliveryId>::max());
    if (filter.state) {
        add_streams_of(*filter.state, smallest, greatest);
    } else {
        add(db_.rows(sql::list_all, smallest, greatest));
    }
}

void Candidates::add_streams_of(RowState state, EventNumber smallest, EventNumber greatest) {
    switch (state) {
        case RowState::fresh:
            add(db_.rows(sql::list_new, smallest, greatest));
            return add(db_.rows(sql::list_unmatched, smallest, greatest));
        case RowState::skipped: return add(db_.rows(sql::list_skipped, smallest, greatest));
        case RowState::waiting: return add(db_.rows(sql::list_waiting, smallest, greatest));
        case RowState::running: return add(db_.rows(sql::list_running, smallest, greatest));
        case RowState::done: return add(db_.rows(sql::list_done, smallest, greatest));
        case RowState::dead:
        case RowState::merged:
        case RowState::cancelled: break;
    }
    const int code = static_cast<int>(delivery_state(state));
    add(db_.rows(sql::list_ended, code, smallest, greatest));
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
    Lister(Names& names, const ListFilter& filter)
        : names_(names), filter_(filter), candidates_(names.database(), filter) {}

    std::vector<ListRow> list();

private:
    bool matches(const StoredEvent& event) const;
    bool matches(const DeliveryRecord& delivery) const;
    bool is_too_old(const StoredEvent& event);
    void add(const StoredEvent& event);

    Names& names_;
    const ListFilter& filter_;
    Candidates candidates_;
    std::vector<ListRow> rows_;
};

bool Lister::matches(const StoredEvent& event) const {
    const EventFacts& facts = event.facts;
    if (!filter_.portal.empty() && !equal_ignoring_case(filter_.portal, facts.domain) &&
        !equal_ignoring_case(filter_.portal, facts.member_id)) {
        return false;
    }
    return filter_.code_glob.empty() || glob_match(filter_.code_glob, facts.code, true);
}

bool Lister::matches(const DeliveryRecord& delivery) const {
    if (!filter_.hook.empty() && delivery.hook != filter_.hook) return false;
    return !filter_.state || (!is_of_event(*filter_.state) &&
                              delivery_state(*filter_.state) == delivery.state);
}

// Those in front of it are older still, as far back as to where the clock was set back.
bool Lister::is_too_old(const StoredEvent& event) {
    if (event.received_at >= filter_.since) return false;
    if (event.received_at < filter_.since - out_of_order) {
        const auto step = names_.database().maybe_number(sql::last_clock_step, event.number);
        candidates_.go_below(step.value_or(0));
    }
    return true;
}

void Lister::add(const StoredEvent& event) {
    const bool alone = event.state != EventState::matched;
    const bool of_event = !filter_.state || is_of_event(*filter_.state);
    if (alone) {
        if (of_event && filter_.hook.empty()) rows_.push_back({event, std::nullopt});
        return;
    }
    for (DeliveryRecord& delivery : deliveries(names_, event.number)) {
        if (rows_.size() >= filter_.limit) return;
        if (matches(delivery)) rows_.push_back({event, std::move(delivery)});
    }
}

std::vector<ListRow> Lister::list() {
    while (rows_.size() < filter_.limit) {
        const std::optional<EventNumber> number = candidates_.next();
        if (!number) break;
        const std::optional<StoredEvent> event = load_facts(names_, *number);
        if (!event || is_too_old(*event) || !matches(*event)) continue;
        add(*event);
    }
    return std::move(rows_);
}

}  // namespace

std::vector<ListRow> list(Names& names, const ListFilter& filter) {
    const Transaction moment(names.database(), Transaction::Kind::read);
    return Lister(names, filter).list();
}

}  // namespace bx::sqlite
