// The gateway's part of the PostgreSQL store.
#include <endian.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "base/random.h"
#include "postgres/columns.h"
#include "postgres/events.h"
#include "postgres/parts.h"
#include "store/facts.h"

namespace bx::postgres {

namespace {

// Unlike any other; begins with the time, so that old ones are told and new ones lie together.
std::string batch_key() {
    std::string key;
    for (const std::uint64_t part : {static_cast<std::uint64_t>(wall_now()), random_bits()}) {
        const std::uint64_t big = htobe64(part);
        key.append(reinterpret_cast<const char*>(&big), sizeof big);
    }
    return key;
}

// A column of a batch, whose values may be empty.
template <typename Part>
Param column(std::span<const NewEvent> events, Part part) {
    std::vector<std::optional<std::string>> list;
    list.reserve(events.size());
    for (const NewEvent& event : events) list.push_back(part(event));
    return Param::bytes(list);
}

constexpr std::int64_t post_origin = 0, test_origin = 2;  // event.origin
constexpr std::int64_t no_number = -std::numeric_limits<std::int64_t>::max();  // sql/add.sql

class Sink final : public EventSink {
public:
    explicit Sink(Names& names) : names_(names), session_(names.session()) {}

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;
    std::int64_t unfinished() override { return postgres::unfinished(session_); }

private:
    Call<sql::add> call_of(std::span<const NewEvent> events, const std::string& key,
                           std::int64_t queue_limit);
    Result add_surely(std::span<const NewEvent> events, std::int64_t queue_limit);
    void wake_workers();

    Names& names_;
    Session& session_;
};

std::vector<std::optional<EventNumber>> Sink::add(std::span<const NewEvent> events,
                                                  std::int64_t queue_limit) {
    using out = sql::add::Out;
    const Result answer = add_surely(events, queue_limit);
    std::vector<std::optional<EventNumber>> numbers(events.size());
    for (int row = 0; row < answer.rows(); ++row) {
        numbers[static_cast<std::size_t>(row)] = answer.number(row, out::n);
    }
    if (answer.rows() > 0 && answer.number(0, out::wake) != 0) wake_workers();
    return numbers;
}

// With the names that the database has now.
Call<sql::add> Sink::call_of(std::span<const NewEvent> events, const std::string& key,
                             std::int64_t queue_limit) {
    using in = sql::add::In;
    std::vector<std::int64_t> portals;
    std::vector<std::int64_t> lanes;
    for (const NewEvent& event : events) {
        const Portal portal = names_.portal(event.facts);
        portals.push_back(portal.id);
        lanes.push_back(names_.lane(portal.account, event.facts).value_or(0));
    }
    Call<sql::add> call;
    call[in::key] = Param::bytes(key);
    call[in::at] = session_.at(wall_now());
    call[in::limit] = Param::number(queue_limit);
    call[in::received_at] = numbers_of(
        events, [this](const NewEvent& event) { return session_.theirs(event.received_at); });
    call[in::portal] = Param::numbers(portals);
    call[in::lane] = Param::numbers(lanes);
    call[in::ts] = numbers_of(
        events, [](const NewEvent& event) { return ts_number(event.facts.ts).value_or(no_number); },
        no_number);
    call[in::facts] = column(events, [](const auto& event) { return pack_facts(event.facts); });
    call[in::body] = column(events, [](const NewEvent& event) { return event.body; });
    call[in::secret] = bytes_of(
        events, [](const NewEvent& event) -> const std::string& { return event.secrets; });
    call[in::origin] = numbers_of(
        events,
        [](const NewEvent& event) { return event.test ? test_origin : post_origin; }, post_origin);
    return call;
}

// A batch whose commit got no answer, or a doubtful one, is given again with its key, to whatever
// server now takes writes: that says whether it is there, and makes it be there.
Result Sink::add_surely(std::span<const NewEvent> events, std::int64_t queue_limit) {
    const std::string key = batch_key();
    const Millis end = session_.until();
    session_.link(end);  // nothing was sent yet: its failure is the answer
    for (Millis pause = 10;; pause = std::min<Millis>(2 * pause, 100)) {
        try {
            const std::int64_t generation = session_.generation();
            const Call<sql::add> call = call_of(events, key, queue_limit);
            Link& server = session_.link(end);
            if (session_.generation() != generation) continue;
            server.take_warning();
            Result answer = server.run(sql::add::text, call.values(), end);
            if (!server.take_warning()) return answer;
            if (steady_now() >= end) {
                throw StoreAway("the server did not wait for its standby: the commit is in doubt");
            }
        } catch (const Conflict&) {
            if (steady_now() >= end) throw;
        } catch (const StoreAway&) {
            if (session_.is_told_to_stop() || steady_now() + pause >= end) throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
}

// What was added is there; who is not woken looks by itself within a second.
void Sink::wake_workers() {
    try {
        session_.call(Call<sql::wake>());
    } catch (const StoreError&) {
    }
}

std::int64_t Sink::probe() {
    Call<sql::probe> call;
    call[sql::probe::In::key] = Param::bytes(batch_key());
    return session_.call(call).number(0, 0);
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Names& names) { return std::make_unique<Sink>(names); }

}  // namespace bx::postgres
