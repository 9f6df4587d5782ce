// The gateway's part of the PostgreSQL store.
#include <endian.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/random.h"
#include "postgres/events.h"
#include "postgres/parts.h"

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

constexpr std::string_view add_statement =
    "SELECT bxhook.add($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "$16, $17)";

// A column of a batch.
template <typename Part>
Param column(std::span<const NewEvent> events, Part part) {
    std::vector<std::optional<std::string>> list;
    list.reserve(events.size());
    for (const NewEvent& event : events) list.push_back(part(event));
    return Param::bytes(list);
}

template <typename Part>
Param numbers(std::span<const NewEvent> events, Part part) {
    std::vector<std::int64_t> list;
    list.reserve(events.size());
    for (const NewEvent& event : events) list.push_back(part(event));
    return Param::numbers(list);
}

class Sink final : public EventSink {
public:
    explicit Sink(Session& session) : session_(session) {}

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;
    std::int64_t unfinished() override { return postgres::unfinished(session_); }

private:
    Result add_surely(const Params& values);
    void wake_workers();

    Session& session_;
};

std::vector<std::optional<EventNumber>> Sink::add(std::span<const NewEvent> events,
                                                  std::int64_t queue_limit) {
    const auto lane = [](const NewEvent& event) -> std::optional<std::string> {
        std::string text = lane_of(event.facts);
        if (text.empty()) return std::nullopt;
        return text;
    };
    const auto received_at = [this](const NewEvent& event) {
        return session_.theirs(event.received_at);
    };
    std::vector<std::string> codes;
    for (const NewEvent& event : events) codes.push_back(event.facts.code);
    const Params values{
        session_.shard(),
        Param::bytes(batch_key()),
        Param::number(queue_limit),
        numbers(events, received_at),
        numbers(events, [](const NewEvent& event) { return std::int64_t{event.test}; }),
        Param::texts(codes),
        column(events, [](const NewEvent& event) { return event.facts.kind; }),
        column(events, [](const NewEvent& event) { return event.facts.id; }),
        column(events, [](const NewEvent& event) { return event.facts.domain; }),
        column(events, [](const NewEvent& event) { return event.facts.member_id; }),
        column(events, [](const NewEvent& event) { return event.facts.user_id; }),
        column(events, [](const NewEvent& event) { return event.facts.handler_id; }),
        column(events, [](const NewEvent& event) { return event.facts.ts; }),
        column(events, [](const NewEvent& event) { return event.facts.lane_portal(); }),
        column(events, lane),
        column(events, [](const NewEvent& event) { return event.body; }),
        column(events, [](const NewEvent& event) { return event.secrets; })};
    const Result answer = add_surely(values);
    std::vector<std::optional<EventNumber>> numbers(events.size());
    for (int i = 0; i < answer.rows(); ++i) {
        numbers[static_cast<std::size_t>(i)] = answer.number(i, 0);
    }
    if (answer.rows() > 0) wake_workers();
    return numbers;
}

// A batch whose commit got no answer, or a doubtful one, is given again with its key, to whatever
// server now takes writes: that says whether it is there, and makes it be there.
Result Sink::add_surely(const Params& values) {
    const Millis end = session_.until();
    session_.link(end);  // nothing was sent yet: its failure is the answer
    for (Millis pause = 10;; pause = std::min<Millis>(2 * pause, 100)) {
        try {
            Link& server = session_.link(end);
            server.take_warning();
            Result answer = server.run(add_statement, values, end);
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
        session_.call("SELECT bxhook.wake()", {});
    } catch (const StoreError&) {
    }
}

std::int64_t Sink::probe() {
    return session_.call("SELECT bxhook.probe($1::integer)", {session_.shard()}).number(0, 0);
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Session& session) {
    return std::make_unique<Sink>(session);
}

}  // namespace bx::postgres
