#include "postgres/import.h"

#include "postgres/columns.h"
#include "postgres/events.h"
#include "postgres/schema.h"
#include "postgres/take_installations.h"
#include "store/facts.h"

namespace bx::postgres {

namespace {

constexpr Millis patience = 60 * second;
// Numbers left to the other store: more than it can be given while the gateways change over.
constexpr EventNumber gap = 1'000'000;


// A delivery with its last run, if that ended it, or is under way.
struct Row {
    DeliveryId d = 0;
    const MovedDelivery* delivery = nullptr;
    const AttemptRecord* run = nullptr;
};
// A run that did not end its delivery.
struct EarlierRun {
    DeliveryId d = 0;
    const AttemptRecord* run = nullptr;
};

using MaybeNumber = std::optional<std::int64_t>;

// What is common to the runs of both: ROWS have `run`, or none.
template <typename Function, typename Rows>
void add_runs(Call<Function>& call, const Session& session, const Rows& rows) {
    using in = typename Function::In;
    const auto numbers = [&](auto part) {
        return numbers_of(rows, [&](const auto& row) -> MaybeNumber {
            if (!row.run) return std::nullopt;
            return part(*row.run);
        });
    };
    static const std::string nothing;
    const auto bytes = [&](auto part) {
        return bytes_of(rows, [&](const auto& row) -> const std::string& {
            return row.run ? part(*row.run) : nothing;
        });
    };
    call[in::result] = numbers([](const auto& run) { return static_cast<int>(run.result); });
    call[in::started] = numbers([&](const auto& run) { return session.theirs(run.started_at); });
    call[in::seed] = numbers([](const auto& run) { return seed_of(run.run); });
    call[in::exit] = numbers([](const auto& run) { return run.exit; });
    call[in::signal] =
        texts_of(rows, [](const auto& row) { return row.run ? row.run->signal : nothing; });
    call[in::note] = bytes([](const auto& run) -> const auto& { return run.reason; });
    call[in::out] = bytes([](const auto& run) -> const auto& { return run.out.kept; });
    call[in::out_bytes] = numbers([](const auto& run) { return run.out.bytes; });
    call[in::err] = bytes([](const auto& run) -> const auto& { return run.err.kept; });
    call[in::err_bytes] = numbers([](const auto& run) { return run.err.bytes; });
}

bool is_open(const MovedDelivery& delivery) {
    return delivery.record.state <= DeliveryState::running;
}

class PostgresImport final : public StoreImport {
public:
    explicit PostgresImport(const std::string& url)
        : session_(url, StoreOptions{.role = Role::person, .wait = patience, .give_up = {}}),
          names_(session_) {}

    void give_numbers_after(EventNumber last) override {
        Call<sql::give_numbers_after> call;
        call[sql::give_numbers_after::In::shard] = session_.shard();
        call[sql::give_numbers_after::In::last] = Param::number(last + gap);
        session_.call(call);
    }

    EventNumber first_up_to(EventNumber last) override {
        Call<sql::first_event_up_to> call;
        call[sql::first_event_up_to::In::last] = Param::number(last);
        return session_.call(call).number(0, 0);
    }

    void require_same(std::span<const MovedEvent> events) override {
        if (!events.empty()) require_none(session_.call(others_of(events)));
    }

    std::size_t take(std::span<const MovedEvent> events) override {
        if (events.empty()) return 0;
        const std::int64_t generation = session_.generation();
        // Before the transaction: names are made each by itself.
        const Call<sql::take_events> call = events_of(events);
        const Call<sql::first_other> others = others_of(events);
        for (const MovedEvent& event : events) {
            for (const MovedDelivery& delivery : event.deliveries) names_.hook(delivery.record.hook);
        }
        const Millis until = session_.until();
        session_.link(until).script("BEGIN", until);
        try {
            require_none(session_.call(others, generation));
            const Result answer = session_.call(call, generation);
            std::set<EventNumber> added;
            for (int row = 0; row < answer.rows(); ++row) added.insert(answer.number(row, 0));
            if (!added.empty()) take_deliveries(events, added, generation);
            session_.link(until).script("COMMIT", until);
            return added.size();
        } catch (...) {
            session_.lose();
            throw;
        }
    }

    std::vector<InstallationId> take(
        std::span<const MovedInstallation> installations) override {
        return take_installations(names_, installations);
    }

private:
    static Param bytes_of_each(std::span<const MovedEvent> events, auto part) {
        std::vector<std::optional<std::string>> list;
        for (const MovedEvent& event : events) list.emplace_back(part(event.event));
        return Param::bytes(list);
    }
    static Param packed_facts(std::span<const MovedEvent> events) {
        return bytes_of_each(events, [](const auto& event) { return pack_facts(event.facts); });
    }
    static Param bodies(std::span<const MovedEvent> events) {
        return bytes_of_each(events, [](const auto& event) { return event.body; });
    }

    Call<sql::first_other> others_of(std::span<const MovedEvent> events) const {
        using in = sql::first_other::In;
        Call<sql::first_other> call;
        call[in::n] = numbers_of(events, [](const auto& moved) { return moved.event.number; });
        call[in::facts] = packed_facts(events);
        call[in::body] = bodies(events);
        return call;
    }

    static void require_none(const Result& first_other) {
        const std::int64_t number = first_other.number(0, 0);
        if (number == 0) return;
        throw StoreError("cannot copy event " + std::to_string(number) +
                         ": the PostgreSQL store has another event of that number; copy before its "
                         "gateways use it, into a new one (DROP SCHEMA bxhook CASCADE, then "
                         "`bxhook store init`), since numbers are kept");
    }

    Call<sql::take_events> events_of(std::span<const MovedEvent> events) {
        using in = sql::take_events::In;
        const auto numbers = [&](auto part) {
            return numbers_of(events, [&](const auto& event) -> MaybeNumber { return part(event); });
        };
        Call<sql::take_events> call;
        call[in::shard] = session_.shard();
        call[in::n] = numbers([](const auto& moved) { return moved.event.number; });
        call[in::state] = numbers([](const auto& moved) { return static_cast<int>(moved.event.state); });
        call[in::unfinished] = numbers([](const auto& moved) { return !moved.ended_at; });
        call[in::received_at] =
            numbers([this](const auto& moved) { return session_.theirs(moved.event.received_at); });
        call[in::portal] = numbers([this](const auto& moved) { return names_.portal(moved.event.facts).id; });
        call[in::lane] = numbers([this](const auto& moved) {
            return names_.lane(names_.portal(moved.event.facts).account, moved.event.facts);
        });
        call[in::ts] = numbers([](const auto& moved) { return ts_number(moved.event.facts.ts); });
        call[in::origin] =
            numbers([](const auto& moved) { return static_cast<std::int64_t>(moved.event.origin); });
        call[in::installation] =
            numbers([](const auto& moved) { return moved.event.installation; });
        call[in::facts] = packed_facts(events);
        call[in::body] = bodies(events);
        call[in::had_secret] = numbers([](const auto& moved) {
            return moved.event.secrets_erased || !moved.event.secrets.empty();
        });
        call[in::secret] =
            bytes_of(events, [](const auto& moved) -> const auto& { return moved.event.secrets; });
        call[in::skip_at] =
            numbers([this](const auto& moved) { return session_.theirs(moved.ended_at); });
        call[in::reason] =
            bytes_of(events, [](const auto& moved) -> const auto& { return moved.event.reason; });
        call[in::retryable] = numbers([](const auto& moved) { return moved.event.retryable; });
        std::vector<std::string> refused;
        for (const MovedEvent& moved : events) refused.push_back(pack_refusals(moved.event.refused));
        call[in::refused] = bytes_of(refused, [](const auto& list) -> const auto& { return list; });
        call[in::more] = numbers([](const auto& moved) { return moved.event.refused_more; });
        return call;
    }

    void take_deliveries(std::span<const MovedEvent> events, const std::set<EventNumber>& added,
                         std::int64_t generation) {
        std::vector<Row> rows;
        std::vector<EarlierRun> runs;
        for (const MovedEvent& event : events) {
            if (!added.contains(event.event.number)) continue;
            for (const MovedDelivery& delivery : event.deliveries) {
                Row row{delivery_id(event.event.number, names_.hook(delivery.record.hook)),
                        &delivery, nullptr};
                for (const AttemptRecord& run : delivery.attempts) {
                    const bool runs_now = run.result == AttemptResult::running;
                    const bool last = run.attempt == delivery.record.attempt;
                    if (runs_now || (last && !is_open(delivery))) {
                        row.run = &run;
                    } else {
                        runs.push_back({row.d, &run});
                    }
                }
                rows.push_back(row);
            }
        }
        if (rows.empty()) return;
        std::ranges::sort(rows, {}, &Row::d);
        session_.call(deliveries_of(rows), generation);
        if (runs.empty()) return;
        using in = sql::take_attempts::In;
        Call<sql::take_attempts> call;
        call[in::d] = numbers_of(runs, [](const EarlierRun& run) { return run.d; });
        call[in::attempt] = numbers_of(runs, [](const EarlierRun& run) { return run.run->attempt; });
        call[in::ended] = numbers_of(runs, [this](const EarlierRun& run) {
            return session_.theirs(run.run->ended_at.value_or(run.run->started_at));
        });
        add_runs(call, session_, runs);
        session_.call(call, generation);
    }

    Call<sql::take_deliveries> deliveries_of(const std::vector<Row>& rows) {
        using in = sql::take_deliveries::In;
        const auto numbers = [&](auto part) {
            return numbers_of(rows, [&](const Row& row) -> MaybeNumber { return part(*row.delivery); });
        };
        Call<sql::take_deliveries> call;
        call[in::shard] = session_.shard();
        call[in::now] = session_.at(wall_now());
        call[in::d] = numbers_of(rows, [](const Row& row) { return row.d; });
        call[in::state] = numbers([](const auto& moved) { return static_cast<int>(moved.record.state); });
        call[in::laned] = numbers([](const auto& moved) { return moved.ordered; });
        call[in::attempt] = numbers([](const auto& moved) { return moved.record.attempt; });
        call[in::max] = numbers([](const auto& moved) { return moved.record.max_attempts; });
        call[in::due] =
            numbers([this](const auto& moved) { return session_.theirs(moved.record.due_at); });
        call[in::failed] =
            numbers([this](const auto& moved) { return session_.theirs(moved.failed_at); });
        call[in::failures] = numbers([](const auto& moved) -> MaybeNumber {
            if (!moved.failures) return std::nullopt;
            return *moved.failures;
        });
        call[in::ended] =
            numbers([this](const auto& moved) { return session_.theirs(moved.record.ended_at); });
        call[in::merged] = numbers([](const auto& moved) { return moved.record.merged_into; });
        call[in::why] = bytes_of(
            rows, [](const Row& row) -> const auto& { return row.delivery->record.reason; });
        add_runs(call, session_, rows);
        return call;
    }

    Session session_;
    Names names_;
};

}  // namespace

std::unique_ptr<StoreImport> open_import(const std::string& url) {
    return std::make_unique<PostgresImport>(url);
}

}  // namespace bx::postgres
