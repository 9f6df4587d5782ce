// The matcher's part of the PostgreSQL store.
#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "postgres/events.h"
#include "postgres/parts.h"
#include "postgres/verdicts.h"

namespace bx::postgres {

namespace {

// When a worker goes to sleep, who adds something at the same time may not have seen it: so many
// milliseconds are waited for those, and then it is looked once more.
constexpr int last_looks = 20;
constexpr std::chrono::milliseconds look_pause{1};
constexpr Millis hooks_seen_kept = 30 * day;

class Matching final : public MatchQueue {
public:
    explicit Matching(Names& names) : names_(names), session_(names.session()) {}

    std::vector<StoredEvent> undispatched(std::size_t at_most, std::size_t bytes) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override;
    std::string fingerprint(const std::string& host) override;
    void keep_fingerprint(const std::string& host, const std::string& fingerprint,
                          Millis now) override;
    EventNumber newest_retryable() override;
    Renewed renew_skipped(const RenewRange& range, std::size_t at_most) override;
    std::size_t forget_reasons(const std::vector<std::string>& stopped,
                               std::size_t at_most) override;

private:
    std::vector<StoredEvent> look(std::size_t at_most, std::size_t bytes);
    void pass_over();

    Names& names_;
    Session& session_;
    // What this connection told: up to it no event is to come any more, and up to where all are
    // matched; whether some are under way behind it.
    std::int64_t generation_ = -1;
    EventNumber seen_ = 0;
    EventNumber passed_ = 0;
    bool under_way_ = false;
    bool backlog_ = false;  // there were more than it was asked for
};

std::vector<StoredEvent> Matching::undispatched(std::size_t at_most, std::size_t bytes) {
    // Before the look, so that nothing comes unnoticed in between; with a backlog it looks anyway.
    const bool listens = !backlog_ && session_.go_to_sleep();
    std::vector<StoredEvent> events = look(at_most, bytes);
    for (int i = 0; listens && i < last_looks && events.empty() && under_way_; ++i) {
        std::this_thread::sleep_for(look_pause);
        events = look(at_most, bytes);
    }
    std::size_t read = 0;
    for (const StoredEvent& event : events) read += event.payload_bytes();
    backlog_ = events.size() >= at_most || read >= bytes;
    if (listens && under_way_) session_.look_again();
    if (events.empty()) pass_over();
    return events;
}

std::vector<StoredEvent> Matching::look(std::size_t at_most, std::size_t bytes) {
    constexpr std::size_t limit = std::numeric_limits<std::int64_t>::max();
    using in = sql::new_events::In;
    using out = sql::new_events::Out;
    Call<sql::new_events> call;
    call[in::most] = Param::number(static_cast<std::int64_t>(at_most));
    call[in::bytes] = Param::number(static_cast<std::int64_t>(std::min(bytes, limit)));
    if (generation_ != session_.generation()) passed_ = 0;
    generation_ = session_.generation();
    const Result answer = session_.call(call, generation_);
    std::vector<StoredEvent> events;
    for (int row = 0; row < answer.rows(); ++row) {
        seen_ = answer.number(row, out::seen);
        if (answer.is_null(row, out::n)) {
            under_way_ = answer.number(row, out::received_at) > seen_;
            names_.saw({generation_, seen_});
            break;
        }
        events.push_back(read_event(session_, answer, row, out::n));
        read_payload(events.back(), answer, row, out::body);
        events.back().installation = answer.maybe_number(row, out::installation);
        events.back().secrets_erased =
            answer.number(row, out::had_secret) != 0 && answer.is_null(row, out::secret);
    }
    return events;
}

// Numbers of which nothing came, and what was cancelled before its match.
void Matching::pass_over() {
    if (seen_ <= passed_) return;
    Call<sql::pass_over> call;
    call[sql::pass_over::In::shard] = session_.shard();
    call[sql::pass_over::In::seen] = Param::number(seen_);
    session_.call(call, generation_);
    passed_ = seen_;
}

void Matching::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    const Seen seen = names_.see_up_to(last_of(verdicts));
    const Deliveries deliveries = deliveries_of(names_, verdicts);
    Call<sql::dispatch> call;
    add_verdicts(call, session_, verdicts, deliveries, seen.number, now);
    // Verdicts on what another server told are of no use.
    session_.call(call, seen.generation);
    for (const DeliveryId d : deliveries.ids) names_.ready().add(hook_of(d));
}

bool Matching::merge_ahead(std::span<const Dispatch> verdicts, Millis now) {
    std::vector<std::int64_t> deliveries;
    const std::int64_t generation = session_.generation();
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            if (!delivery.coalesce || !delivery.ordered) continue;
            deliveries.push_back(delivery_id(verdict.event, names_.hook(delivery.hook)));
        }
    }
    if (deliveries.empty()) return false;
    using in = sql::merge_ahead::In;
    Call<sql::merge_ahead> call;
    call[in::shard] = session_.shard();
    call[in::now] = session_.at(now);
    call[in::d] = Param::numbers(deliveries);
    return session_.call(call, generation).number(0, 0) != 0;
}

std::string Matching::fingerprint(const std::string& host) {
    Call<sql::fingerprint> call;
    call[sql::fingerprint::In::host] = Param::text(host);
    return session_.call(call).text(0, 0);
}

void Matching::keep_fingerprint(const std::string& host, const std::string& fingerprint,
                                Millis now) {
    using in = sql::keep_fingerprint::In;
    Call<sql::keep_fingerprint> call;
    call[in::host] = Param::text(host);
    call[in::fingerprint] = Param::text(fingerprint);
    call[in::now] = session_.at(now);
    call[in::forget] = session_.at(now - hooks_seen_kept);
    session_.call(call);
}

EventNumber Matching::newest_retryable() {
    return session_.call(Call<sql::newest_retryable>()).number(0, 0);
}

Renewed Matching::renew_skipped(const RenewRange& range, std::size_t at_most) {
    using in = sql::renew_skipped::In;
    using out = sql::renew_skipped::Out;
    Call<sql::renew_skipped> call;
    call[in::owner] = session_.owner();
    call[in::shard] = session_.shard();
    call[in::received_from] = session_.at(range.received_from);
    call[in::after] = Param::number(range.after);
    call[in::up_to] = Param::number(range.up_to);
    call[in::most] = Param::number(static_cast<std::int64_t>(at_most));
    const Result answer = session_.call(call);
    const auto count = static_cast<std::size_t>(answer.number(0, out::renewed));
    return {count, answer.number(0, out::last), count == at_most};
}

std::size_t Matching::forget_reasons(const std::vector<std::string>& stopped,
                                     std::size_t at_most) {
    std::vector<std::int64_t> hooks;
    for (const std::string& name : stopped) {
        if (const std::optional<HookId> hook = names_.known_hook(name)) hooks.push_back(*hook);
    }
    Call<sql::forget_reasons> call;
    call[sql::forget_reasons::In::stopped] = Param::numbers(hooks);
    call[sql::forget_reasons::In::most] = Param::number(static_cast<std::int64_t>(at_most));
    return static_cast<std::size_t>(session_.call(call).number(0, 0));
}

}  // namespace

std::unique_ptr<MatchQueue> make_match_queue(Names& names) {
    return std::make_unique<Matching>(names);
}

}  // namespace bx::postgres
