// A matcher's verdicts, as the parameters of the functions that take them.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "postgres/columns.h"
#include "postgres/events.h"
#include "store/facts.h"

namespace bx::postgres {

// The deliveries of verdicts, by number and as they are to be made.
struct Deliveries {
    std::vector<DeliveryId> ids;
    std::vector<const NewDelivery*> made;
};

inline Deliveries deliveries_of(Names& names, std::span<const Dispatch> verdicts) {
    Deliveries all;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            all.ids.push_back(delivery_id(verdict.event, names.hook(delivery.hook)));
            all.made.push_back(&delivery);
        }
    }
    return all;
}

inline EventNumber last_of(std::span<const Dispatch> verdicts) {
    EventNumber last = 0;
    for (const Dispatch& verdict : verdicts) last = std::max(last, verdict.event);
    return last;
}

// SEEN: up to that number no event is to come any more.
template <typename Function>
void add_verdicts(Call<Function>& call, Session& session, std::span<const Dispatch> verdicts,
                  const Deliveries& deliveries, EventNumber seen, Millis now) {
    using in = typename Function::In;
    call[in::owner] = session.owner();
    call[in::shard] = session.shard();
    call[in::now] = session.at(now);
    call[in::seen] = Param::number(seen);
    std::vector<std::optional<std::string>> skips;
    std::vector<std::int64_t> retryable;
    std::vector<std::string> refused;
    for (const Dispatch& verdict : verdicts) {
        const bool skipped = verdict.deliveries.empty();
        skips.push_back(skipped ? std::optional(verdict.skip_reason) : std::nullopt);
        retryable.push_back(verdict.retryable);
        refused.push_back(pack_refusals(verdict.refused));
    }
    call[in::n] = numbers_of(verdicts, [](const auto& verdict) { return verdict.event; });
    call[in::skip] = Param::bytes(skips);
    call[in::retryable] = Param::numbers(retryable);
    call[in::refused] = bytes_of(refused, [](const auto& text) -> const auto& { return text; });
    call[in::more] = numbers_of(verdicts, [](const auto& verdict) { return verdict.refused_more; }, 0);
    const auto& made = deliveries.made;
    call[in::d] = Param::numbers(deliveries.ids);
    call[in::ordered] = numbers_of(made, [](const auto* one) { return one->ordered; });
    call[in::coalesce] = numbers_of(made, [](const auto* one) { return one->coalesce; });
    call[in::max] = numbers_of(made, [](const auto* one) { return one->max_attempts; });
    call[in::due] =
        numbers_of(made, [&session](const auto* one) { return session.theirs(one->due_at); });
    call[in::why] = bytes_of(made, [](const auto* one) -> const auto& { return one->reason; });
}

}  // namespace bx::postgres
