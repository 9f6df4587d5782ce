// What the PostgreSQL store shows.
#include <algorithm>

#include "base/text.h"
#include "postgres/events.h"
#include "postgres/parts.h"
#include "store/facts.h"

namespace bx::postgres {

namespace {

constexpr std::int64_t blocked_at_most = 100;
constexpr std::int64_t list_page = 300;  // events asked for at a time

std::vector<StoredEvent> show_events(Session& session, const std::vector<std::int64_t>& numbers) {
    using out = sql::show_events::Out;
    Call<sql::show_events> call;
    call[sql::show_events::In::n] = Param::numbers(numbers);
    const Result answer = session.call(call);
    std::vector<StoredEvent> events;
    for (int row = 0; row < answer.rows(); ++row) {
        StoredEvent event = read_event(session, answer, row, out::n);
        event.state = static_cast<EventState>(answer.number(row, out::state));
        event.reason = answer.text(row, out::reason);
        event.retryable = answer.number(row, out::retryable) != 0;
        event.secrets_erased =
            answer.number(row, out::had_secret) != 0 && answer.number(row, out::erased) != 0;
        events.push_back(std::move(event));
    }
    return events;
}

// By event and hook.
std::vector<DeliveryRecord> show_deliveries(Names& names, const std::vector<std::int64_t>& numbers) {
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

bool matches(const ListFilter& filter, const StoredEvent& event) {
    if (event.received_at < filter.since) return false;
    if (!filter.portal.empty() && !equal_ignoring_case(filter.portal, event.facts.domain) &&
        !equal_ignoring_case(filter.portal, event.facts.member_id)) {
        return false;
    }
    return filter.code_glob.empty() || glob_match(filter.code_glob, event.facts.code, true);
}

// -- Status

void read_counts(Session& session, StoreStatus& status, Millis now) {
    using out = sql::hook_counts::Out;
    const Millis at = session.theirs(now);
    Call<sql::hook_counts> call;
    call[sql::hook_counts::In::after] = Param::number((at - hour) / minute);
    call[sql::hook_counts::In::minute] = Param::number(at / minute);
    const Result answer = session.call(call);
    for (int row = 0; row < answer.rows(); ++row) {
        const std::string hook = answer.text(row, out::name);
        const auto add = [&](DeliveryState state, std::int64_t count) {
            status.add_tally(hook, name_of(state), count);
        };
        const std::int64_t running = answer.number(row, out::running);
        add(DeliveryState::waiting, answer.number(row, out::open) - running);
        add(DeliveryState::running, running);
        add(DeliveryState::done, answer.number(row, out::done));
        add(DeliveryState::dead, answer.number(row, out::dead));
        add(DeliveryState::merged, answer.number(row, out::merged));
        add(DeliveryState::cancelled, answer.number(row, out::cancelled));
        status.set_rates(hook, answer.number(row, out::done_now),
                         answer.number(row, out::failed_now), answer.number(row, out::dead_now));
    }
}

void read_events(Session& session, StoreStatus& status) {
    using out = sql::event_counts::Out;
    const Result answer = session.call(Call<sql::event_counts>());
    status.events_new = answer.number(0, out::fresh);
    status.events_matched = answer.number(0, out::matched);
    status.events_skipped = answer.number(0, out::skipped);
    status.unfinished = answer.number(0, out::unfinished);
    status.oldest_new_at = session.ours(answer.maybe_number(0, out::oldest_new));
}

void read_due(Names& names, StoreStatus& status, Millis now) {
    using out = sql::due_counts::Out;
    Session& session = names.session();
    Call<sql::due_counts> call;
    call[sql::due_counts::In::now] = session.at(now);
    const Result due = session.call(call);
    for (int row = 0; row < due.rows(); ++row) {
        status.add_due(names.hook_name(due.number(row, out::hook)), due.number(row, out::due),
                       session.ours(due.number(row, out::oldest)));
    }
}

void read_workers(Session& session, StoreStatus& status) {
    using out = sql::live_workers::Out;
    const Result answer = session.call(Call<sql::live_workers>());
    for (int row = 0; row < answer.rows(); ++row) {
        status.workers.push_back({answer.text(row, out::host), answer.number(row, out::pid),
                                  answer.text(row, out::version),
                                  session.ours(answer.number(row, out::since)),
                                  static_cast<int>(answer.number(row, out::running)),
                                  answer.text(row, out::config_error),
                                  session.ours(answer.number(row, out::seen_at)),
                                  answer.text(row, out::trouble),
                                  answer.number(row, out::once) != 0});
    }
    status.worker_runs = !status.workers.empty();
}

void read_once_and_clocks(Session& session, StoreStatus& status) {
    using once_out = sql::last_once::Out;
    const Result once = session.call(Call<sql::last_once>());
    if (once.rows() > 0) {
        status.once = {session.ours(once.number(0, once_out::left_at)),
                       once.text(0, once_out::host), once.text(0, once_out::trouble)};
    }
    using out = sql::clocks::Out;
    const Result clocks = session.call(Call<sql::clocks>());
    for (int row = 0; row < clocks.rows(); ++row) {
        status.clocks.push_back({clocks.text(row, out::boot), clocks.number(row, out::up),
                                 session.ours(clocks.number(row, out::wall)),
                                 clocks.number(row, out::step)});
    }
}

void read_blocked(Names& names, StoreStatus& status) {
    using out = sql::blocked_lanes::Out;
    Session& session = names.session();
    Call<sql::blocked_lanes> call;
    call[sql::blocked_lanes::In::most] = Param::number(blocked_at_most);
    const Result answer = session.call(call);
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryId d = answer.number(row, out::d);
        BlockedLane lane;
        lane.event = event_of(d);
        lane.hook = names.hook_name(hook_of(d));
        lane.reason = answer.text(row, out::reason);
        lane.since = session.ours(answer.number(row, out::failed_at));
        lane.behind = answer.number(row, out::behind);
        const std::vector<StoredEvent> event = show_events(session, {lane.event});
        if (!event.empty()) lane.facts = event.front().facts;
        status.blocked.push_back(std::move(lane));
    }
}

// -- The role

class Looks final : public View {
public:
    explicit Looks(Names& names) : names_(names), session_(names.session()) {}

    std::vector<ListRow> list(const ListFilter& filter) override;
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override {
        return show_deliveries(names_, {number});
    }
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override;
    StoreStatus status(Millis now) override;

private:
    std::vector<std::int64_t> page(const ListFilter& filter, EventNumber smallest,
                                   EventNumber greatest);
    void add_rows(const ListFilter& filter, const std::vector<std::int64_t>& numbers,
                  std::vector<ListRow>& list);

    Names& names_;
    Session& session_;
};

// Numbers of events, newest first; none: there are no more.
std::vector<std::int64_t> Looks::page(const ListFilter& filter, EventNumber smallest,
                                      EventNumber greatest) {
    using in = sql::list_events::In;
    Call<sql::list_events> call;
    if (filter.state) {
        call[in::states] = Param::numbers(std::vector<std::int64_t>{static_cast<int>(*filter.state)});
    }
    if (!filter.hook.empty()) {
        const std::optional<HookId> hook = names_.known_hook(filter.hook);
        call[in::hooks] = Param::numbers(std::vector<std::int64_t>{hook.value_or(0)});
    }
    call[in::smallest] = Param::number(smallest);
    call[in::greatest] = Param::number(greatest);
    call[in::most] = Param::number(list_page);
    const Result answer = session_.call(call);
    std::vector<std::int64_t> numbers;
    for (int row = 0; row < answer.rows(); ++row) numbers.push_back(answer.number(row, 0));
    return numbers;
}

// Those of NUMBERS that FILTER lets through, with the deliveries that it does, as far as there is
// room.
void Looks::add_rows(const ListFilter& filter, const std::vector<std::int64_t>& numbers,
                     std::vector<ListRow>& list) {
    std::vector<StoredEvent> events = show_events(session_, numbers);
    std::erase_if(events, [&](const StoredEvent& event) { return !matches(filter, event); });
    std::ranges::sort(events, std::ranges::greater(), &StoredEvent::number);
    std::vector<std::int64_t> wanted;
    for (const StoredEvent& event : events) wanted.push_back(event.number);
    if (wanted.empty()) return;
    const std::vector<DeliveryRecord> all = show_deliveries(names_, wanted);
    for (const StoredEvent& event : events) {
        if (event.state != EventState::matched) {
            const bool fits = !filter.state || (is_of_event(*filter.state) &&
                                                event_state(*filter.state) == event.state);
            if (fits && filter.hook.empty()) list.push_back({event, std::nullopt});
        }
        for (const auto& record :
             std::ranges::equal_range(all, event.number, {}, &DeliveryRecord::event)) {
            const bool fits = !filter.state || (!is_of_event(*filter.state) &&
                                                delivery_state(*filter.state) == record.state);
            if (fits && (filter.hook.empty() || filter.hook == record.hook)) {
                list.push_back({event, record});
            }
        }
        if (list.size() >= filter.limit) break;
    }
    if (list.size() > filter.limit) list.resize(filter.limit);
}

std::vector<ListRow> Looks::list(const ListFilter& filter) {
    std::vector<ListRow> list;
    EventNumber smallest = filter.after + 1;
    if (filter.since > 0) {
        // The clock may have stepped: an older event can have a later time, never the reverse here.
        Call<sql::first_received> call;
        call[sql::first_received::In::since] = session_.at(filter.since);
        smallest = std::max(smallest, session_.call(call).number(0, 0));
    }
    // Who asks for those after the last one that was seen misses none.
    EventNumber greatest = seen_up_to(session_);
    while (list.size() < filter.limit) {
        const std::vector<std::int64_t> numbers = page(filter, smallest, greatest);
        if (numbers.empty()) break;
        add_rows(filter, numbers, list);
        greatest = numbers.back() - 1;
    }
    return list;
}

std::optional<StoredEvent> Looks::event(EventNumber number) {
    using out = sql::show_event::Out;
    std::vector<StoredEvent> found = show_events(session_, {number});
    if (found.empty()) return std::nullopt;
    StoredEvent event = std::move(found.front());
    Call<sql::show_event> call;
    call[sql::show_event::In::n] = Param::number(number);
    const Result answer = session_.call(call);
    if (answer.rows() == 0) return std::nullopt;
    read_payload(event, answer, 0, out::body);
    event.refused_more = answer.number(0, out::more);
    event.refused = unpack_refusals(answer.text(0, out::refused));
    return event;
}

std::vector<AttemptRecord> Looks::attempts(EventNumber number, const std::string& hook) {
    using out = sql::show_attempts::Out;
    const std::optional<HookId> id = names_.known_hook(hook);
    if (!id) return {};
    Call<sql::show_attempts> call;
    call[sql::show_attempts::In::d] = Param::number(delivery_id(number, *id));
    const Result answer = session_.call(call);
    std::vector<AttemptRecord> found;
    for (int row = 0; row < answer.rows(); ++row) {
        AttemptRecord attempt;
        attempt.attempt = static_cast<int>(answer.number(row, out::attempt));
        attempt.run = run_name(answer.number(row, out::seed), number, hook, attempt.attempt);
        attempt.result = static_cast<AttemptResult>(answer.number(row, out::result));
        if (const auto exit = answer.maybe_number(row, out::exit)) {
            attempt.exit = static_cast<int>(*exit);
        }
        attempt.signal = answer.text(row, out::signal);
        attempt.reason = answer.text(row, out::note);
        attempt.started_at = session_.ours(answer.number(row, out::started_at));
        attempt.ended_at = session_.ours(answer.maybe_number(row, out::ended_at));
        attempt.out = {answer.text(row, out::out_kept), answer.number(row, out::out_bytes)};
        attempt.err = {answer.text(row, out::err_kept), answer.number(row, out::err_bytes)};
        found.push_back(std::move(attempt));
    }
    return found;
}

StoreStatus Looks::status(Millis now) {
    StoreStatus status;
    read_events(session_, status);
    read_counts(session_, status, now);
    read_due(names_, status, now);
    read_workers(session_, status);
    read_once_and_clocks(session_, status);
    read_blocked(names_, status);
    status.drop_idle_hooks();
    return status;
}

}  // namespace

std::unique_ptr<View> make_view(Names& names) { return std::make_unique<Looks>(names); }

}  // namespace bx::postgres
