// What the PostgreSQL store shows.
#include "postgres/events.h"
#include "postgres/list.h"
#include "postgres/parts.h"
#include "store/facts.h"

namespace bx::postgres {

namespace {

constexpr std::int64_t blocked_at_most = 100;

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

    std::vector<ListRow> list(const ListFilter& filter) override {
        return postgres::list(names_, filter);
    }
    void add_causes(std::span<ListRow> rows) override { postgres::add_causes(names_, rows); }
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override {
        return show_deliveries(names_, {number});
    }
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override;
    StoreStatus status(Millis now) override;

private:
    Names& names_;
    Session& session_;
};

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
