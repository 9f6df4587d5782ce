#include "postgres/list.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "postgres/events.h"
#include "store/facts.h"
#include "store/listing.h"

namespace bx::postgres {

namespace {

constexpr std::int64_t list_page = 300;      // events asked for at a time
constexpr std::int64_t shown_stderr = 4096;  // bytes at its end, for its last line

}  // namespace

std::vector<StoredEvent> show_events(Session& session, const std::vector<EventNumber>& numbers) {
    using out = sql::show_events::Out;
    Call<sql::show_events> call;
    call[sql::show_events::In::n] = Param::numbers(numbers);
    const Result answer = session.call(call);
    std::vector<StoredEvent> events;
    for (int row = 0; row < answer.rows(); ++row) {
        StoredEvent event = read_event(session, answer, row, out::n);
        event.installation = answer.maybe_number(row, out::installation);
        event.state = static_cast<EventState>(answer.number(row, out::state));
        event.reason = answer.text(row, out::reason);
        event.retryable = answer.number(row, out::retryable) != 0;
        event.secrets_erased =
            answer.number(row, out::had_secret) != 0 && answer.number(row, out::erased) != 0;
        events.push_back(std::move(event));
    }
    return events;
}

std::vector<DeliveryRecord> show_deliveries(Names& names, const std::vector<EventNumber>& numbers) {
    using out = sql::show_deliveries::Out;
    Session& session = names.session();
    Call<sql::show_deliveries> call;
    call[sql::show_deliveries::In::n] = Param::numbers(numbers);
    const Result answer = session.call(call);
    std::vector<DeliveryRecord> records;
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryId d = answer.number(row, out::d);
        DeliveryRecord record;
        record.event = event_of(d);
        record.hook = names.hook_name(hook_of(d));
        record.state = static_cast<DeliveryState>(answer.number(row, out::state));
        record.reason = answer.text(row, out::reason);
        record.attempt = static_cast<int>(answer.number(row, out::attempt));
        record.max_attempts = static_cast<int>(answer.number(row, out::max_attempts));
        record.due_at = session.ours(answer.maybe_number(row, out::due_at));
        record.merged_into = answer.maybe_number(row, out::merged_into);
        record.ended_at = session.ours(answer.maybe_number(row, out::ended_at));
        record.blocked_by = answer.maybe_number(row, out::blocked_by);
        records.push_back(std::move(record));
    }
    std::ranges::sort(records, [](const DeliveryRecord& a, const DeliveryRecord& b) {
        return std::tie(a.event, a.hook) < std::tie(b.event, b.hook);
    });
    return records;
}

namespace {

class Lister {
public:
    Lister(Names& names, const ListFilter& filter)
        : names_(names), session_(names.session()), filter_(filter) {}

    std::vector<ListRow> list();

private:
    EventNumber smallest();
    EventNumber greatest();
    std::vector<EventNumber> page(EventNumber smallest, EventNumber greatest);
    void add_rows(const std::vector<EventNumber>& numbers);
    bool matches(const StoredEvent& event) const;

    Names& names_;
    Session& session_;
    const ListFilter& filter_;
    std::vector<ListRow> rows_;
};

EventNumber Lister::smallest() {
    const EventNumber after = filter_.after + 1;
    if (filter_.from <= 0) return after;
    // The clock may have stepped: an older event can have a later time, never the reverse here.
    Call<sql::first_received> call;
    call[sql::first_received::In::since] = session_.at(filter_.from);
    return std::max(after, session_.call(call).number(0, 0));
}

EventNumber Lister::greatest() {
    // Who asks for those after the last one that was seen misses none.
    EventNumber last = seen_up_to(session_);
    if (filter_.beyond) {
        last = std::min(last, filter_.beyond->event - (filter_.beyond->hook.empty() ? 1 : 0));
    }
    if (filter_.to) {
        Call<sql::last_received> call;
        call[sql::last_received::In::to] = session_.at(*filter_.to);
        last = std::min(last, session_.call(call).maybe_number(0, 0).value_or(0));
    }
    return last;
}

// Numbers of events, newest first; none: there are no more.
std::vector<EventNumber> Lister::page(EventNumber smallest, EventNumber greatest) {
    using in = sql::list_events::In;
    Call<sql::list_events> call;
    if (!filter_.states.empty()) {
        std::vector<std::int64_t> states;
        for (const RowState state : filter_.states) states.push_back(static_cast<int>(state));
        call[in::states] = Param::numbers(states);
    }
    if (!filter_.hooks.empty()) {
        std::vector<std::int64_t> hooks;
        for (const std::string& hook : filter_.hooks) {
            if (const auto id = names_.known_hook(hook)) hooks.push_back(*id);
        }
        call[in::hooks] = Param::numbers(hooks);
    }
    call[in::smallest] = Param::number(smallest);
    call[in::greatest] = Param::number(greatest);
    call[in::most] = Param::number(list_page);
    const Result answer = session_.call(call);
    std::vector<EventNumber> numbers;
    for (int row = 0; row < answer.rows(); ++row) numbers.push_back(answer.number(row, 0));
    return numbers;
}

bool Lister::matches(const StoredEvent& event) const {
    if (event.received_at < filter_.from) return false;
    if (filter_.to && event.received_at >= *filter_.to) return false;
    if (!is_of_portal(filter_, event.facts.domain, event.facts.member_id)) return false;
    if (!filter_.id.empty() && filter_.id != event.facts.id) return false;
    return filter_.code_glob.empty() || glob_match(filter_.code_glob, event.facts.code, true);
}

// Those of NUMBERS that the filter lets through, with the deliveries that it does, as far as there is
// room.
void Lister::add_rows(const std::vector<EventNumber>& numbers) {
    std::vector<StoredEvent> events = show_events(session_, numbers);
    std::erase_if(events, [this](const StoredEvent& event) { return !matches(event); });
    if (events.empty()) return;
    std::ranges::sort(events, std::ranges::greater(), &StoredEvent::number);
    std::vector<EventNumber> wanted;
    for (const StoredEvent& event : events) wanted.push_back(event.number);
    const std::vector<DeliveryRecord> all = show_deliveries(names_, wanted);
    auto next = all.rbegin();  // of the same order
    for (const StoredEvent& event : events) {
        std::vector<ListRow> rows;
        if (event.state != EventState::matched) rows.push_back({event});
        for (; next != all.rend() && next->event >= event.number; ++next) {
            if (next->event == event.number) rows.push_back({event, *next});
        }
        for (ListRow& row : rows) {
            if (rows_.size() >= filter_.limit) return;
            if (passes(filter_, row)) rows_.push_back(std::move(row));
        }
    }
}

std::vector<ListRow> Lister::list() {
    const EventNumber first = smallest();
    EventNumber last = greatest();
    while (rows_.size() < filter_.limit) {
        const std::vector<EventNumber> numbers = page(first, last);
        if (numbers.empty()) break;
        add_rows(numbers);
        last = numbers.back() - 1;
    }
    return std::move(rows_);
}

void add_stderr_ends(Names& names, std::span<ListRow> rows) {
    std::map<DeliveryId, ListRow*> failed;
    std::vector<std::int64_t> deliveries;
    for (ListRow& row : rows) {
        if (!has_failed(row)) continue;
        const std::optional<HookId> hook = names.known_hook(row.delivery->hook);
        if (!hook) continue;
        deliveries.push_back(delivery_id(row.event.number, *hook));
        failed[deliveries.back()] = &row;
    }
    if (failed.empty()) return;
    using out = sql::stderr_ends::Out;
    Call<sql::stderr_ends> call;
    call[sql::stderr_ends::In::d] = Param::numbers(deliveries);
    call[sql::stderr_ends::In::most] = Param::number(shown_stderr);
    const Result ends = names.session().call(call);
    for (int row = 0; row < ends.rows(); ++row) {
        failed.at(ends.number(row, out::d))->stderr_end = ends.text(row, out::err);
    }
}

void add_refusals(Session& session, std::span<ListRow> rows) {
    std::map<EventNumber, ListRow*> skipped;
    std::vector<EventNumber> numbers;
    for (ListRow& row : rows) {
        if (row.event.state != EventState::skipped) continue;
        row.event.refused.clear();
        skipped[row.event.number] = &row;
        numbers.push_back(row.event.number);
    }
    if (numbers.empty()) return;
    using out = sql::refusals::Out;
    Call<sql::refusals> call;
    call[sql::refusals::In::n] = Param::numbers(numbers);
    const Result refused = session.call(call);
    for (int row = 0; row < refused.rows(); ++row) {
        skipped.at(refused.number(row, out::n))->event.refused =
            unpack_refusals(refused.text(row, out::list));
    }
}

}  // namespace

std::vector<ListRow> list(Names& names, const ListFilter& filter) {
    return Lister(names, filter).list();
}

void add_causes(Names& names, std::span<ListRow> rows) {
    add_stderr_ends(names, rows);
    add_refusals(names.session(), rows);
}

}  // namespace bx::postgres
