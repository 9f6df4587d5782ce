// What a person changes: retry, deliver, cancel, prune.
#include <endian.h>

#include "postgres/postgres_store.h"

namespace bx {

namespace {

constexpr Millis batch_kept = 10 * minute;  // far longer than a gateway asks for its own again
constexpr int tries_at_most = 5;            // of a request that others are faster than

// What bxhook.cancel did with a delivery.
constexpr std::int64_t did_cancel = 1, did_mark = 2, did_leave_running = 3;

std::vector<std::string> hooks_of(const Target& target) {
    std::vector<std::string> hooks;
    for (const Target::Delivery& delivery : target.deliveries) hooks.push_back(delivery.hook);
    return hooks;
}

}  // namespace

Target PostgresStore::read_target(const DeliveryName& name) {
    Target target{.name = name};
    const std::optional<StoredEvent> stored = event(name.event);
    if (!stored) return target;
    target.event = stored->state;
    target.secrets_erased = stored->secrets_erased;
    if (stored->state != EventState::matched) return target;
    for (const DeliveryRecord& record : deliveries(name.event)) {
        if (!name.hook.empty() && record.hook != name.hook) continue;
        target.deliveries.push_back({record.hook, record.state, record.merged_into});
    }
    return target;
}

// JUDGE gives what is to come of the target, ACT does it in one statement and gives false when there
// was nothing to do any more: somebody else was faster, and what he left is judged anew, as if the
// request had come after his.
template <typename Judge, typename Act>
Outcome PostgresStore::request(const DeliveryName& name, Judge judge, Act act) {
    Outcome outcome;
    for (int tries = 0; tries < tries_at_most; ++tries) {
        const Target target = read_target(name);
        outcome = judge(target);
        if (outcome.count == 0 || act(target, outcome)) return outcome;
    }
    outcome.reason = Outcome::Reason::changed;
    outcome.count = 0;
    return outcome;
}

Outcome PostgresStore::retry(const DeliveryName& name,
                             const std::function<int(const std::string& hook)>& extra_attempts,
                             Millis now) {
    return request(name, judge_retry, [&](const Target& target, Outcome& outcome) {
        if (target.event == EventState::skipped) {
            return call("SELECT bxhook.renew($1::integer, $2)",
                        {Param::number(shard_), Param::number(name.event)}).number(0, 0) != 0;
        }
        const std::vector<std::string> hooks = hooks_of(target);
        std::vector<std::int64_t> extra;
        for (const std::string& hook : hooks) extra.push_back(extra_attempts(hook));
        outcome.count = call("SELECT bxhook.retry($1::integer, $2, $3, $4, $5, $6)",
                             {Param::number(shard_), Param::number(name.event), Param::texts(hooks),
                              Param::numbers(extra), Param::boolean(!name.hook.empty()), at(now)})
                            .number(0, 0);
        return outcome.count > 0;
    });
}

Outcome PostgresStore::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    return request({number, delivery.hook}, judge_deliver, [&](const Target&, Outcome&) {
        return call("SELECT bxhook.deliver($1::integer, $2, $3, $4, $5, $6)",
                    {Param::number(shard_), Param::number(number), Param::text(delivery.hook),
                     Param::boolean(delivery.ordered),
                     Param::number(std::int64_t{delivery.max_attempts}), at(now)})
                   .number(0, 0) != 0;
    });
}

Outcome PostgresStore::cancel(const DeliveryName& name, bool kill, Millis now) {
    const auto judge = [&](const Target& target) { return judge_cancel(target, kill); };
    return request(name, judge, [&](const Target& target, Outcome& outcome) {
        if (target.event == EventState::fresh) {
            return call("SELECT bxhook.skip($1::integer, $2, 'cancelled', $3)",
                        {Param::number(shard_), Param::number(name.event), at(now)})
                       .number(0, 0) != 0;
        }
        const Result done = call("SELECT name, did FROM bxhook.cancel($1::integer, $2, $3, $4, $5)",
                                 {Param::number(shard_), Param::number(name.event),
                                  Param::texts(hooks_of(target)), Param::boolean(kill), at(now)});
        outcome.count = 0;
        outcome.running.clear();
        for (int row = 0; row < done.rows(); ++row) {
            const std::int64_t did = done.number(row, 1);
            if (did == did_cancel || did == did_mark) ++outcome.count;
            if (did == did_leave_running) outcome.running.push_back(done.text(row, 0));
        }
        const bool some_run = !outcome.running.empty();
        outcome.reason = some_run ? Outcome::Reason::some_run : Outcome::Reason::done;
        return outcome.count > 0 || some_run;
    });
}

std::size_t PostgresStore::prune(const PruneOrder& order) {
    const std::uint64_t old = htobe64(static_cast<std::uint64_t>(wall_now() - batch_kept));
    const std::string key(reinterpret_cast<const char*>(&old), sizeof old);
    const Millis dead_before = order.dead_before > 0 ? theirs(order.dead_before) : 0;
    const Result answer =
        call("SELECT bxhook.prune($1::integer, $2, $3, $4, $5)",
             {Param::number(shard_), at(order.done_before), Param::number(dead_before),
              Param::number(static_cast<std::int64_t>(order.at_most)), Param::bytes(key)});
    return static_cast<std::size_t>(answer.number(0, 0));
}

}  // namespace bx
