// What people wish for: retry, cancel, prune.
#include <endian.h>

#include "postgres/postgres_store.h"

namespace bx {

namespace {

constexpr Millis batch_kept = 10 * minute;  // far longer than a gateway asks for its own again

std::string name_text(EventNumber event, const std::string& hook) {
    return std::to_string(event) + '/' + hook;
}

Wish refused(const std::string& text) {
    return {false, text, 0};
}

// "1042/crm-sync is running"
std::string what_is(const DeliveryRecord& delivery) {
    std::string text =
        name_text(delivery.event, delivery.hook) + " is " + std::string(name_of(delivery.state));
    if (delivery.merged_into) text += " into " + std::to_string(*delivery.merged_into);
    return text;
}

}  // namespace

std::vector<DeliveryRecord> PostgresStore::named(const DeliveryName& name) {
    std::vector<DeliveryRecord> found = deliveries(name.event);
    std::erase_if(found, [&](const DeliveryRecord& delivery) {
        return !name.hook.empty() && delivery.hook != name.hook;
    });
    return found;
}

Wish PostgresStore::retry(const DeliveryName& name,
                          const std::function<int(const std::string& hook)>& extra_attempts,
                          Millis now) {
    const std::string number = std::to_string(name.event);
    const std::optional<StoredEvent> stored = event(name.event);
    if (!stored) return refused("there is no event " + number);
    Wish wish;
    if (stored->secrets_erased) wish.text = without_secrets;

    if (stored->state != EventState::matched) {
        if (!name.hook.empty()) return refused(no_delivery(name.event, name.hook, stored->state));
        if (stored->state == EventState::fresh) {
            return refused(is_new(name.event));
        }
        wish.count = call("SELECT bxhook.renew($1::integer, $2)",
                          {Param::number(shard_), Param::number(name.event)}).number(0, 0);
    } else {
        const std::vector<DeliveryRecord> found = named(name);
        if (found.empty()) return refused(no_delivery(name.event, name.hook, stored->state));
        std::vector<std::string> hooks;
        std::vector<std::int64_t> extra;
        for (const DeliveryRecord& delivery : found) {
            hooks.push_back(delivery.hook);
            extra.push_back(extra_attempts(delivery.hook));
        }
        wish.count = call("SELECT bxhook.retry($1::integer, $2, $3, $4, $5, $6)",
                          {Param::number(shard_), Param::number(name.event), Param::texts(hooks),
                           Param::numbers(extra), Param::boolean(!name.hook.empty()), at(now)})
                         .number(0, 0);
        if (wish.count == 0 && !name.hook.empty()) return refused(what_is(found.front()));
        if (wish.count == 0) return refused(number + " has no dead or cancelled delivery");
    }
    wish.done = wish.count > 0;
    return wish;
}

Wish PostgresStore::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    const std::optional<StoredEvent> stored = event(number);
    if (!stored) return refused("there is no event " + std::to_string(number));
    if (stored->state == EventState::fresh) return refused(is_new(number));
    const bool made = call("SELECT bxhook.deliver($1::integer, $2, $3, $4, $5, $6)",
                           {Param::number(shard_), Param::number(number),
                            Param::text(delivery.hook), Param::boolean(delivery.ordered),
                            Param::number(std::int64_t{delivery.max_attempts}), at(now)})
                          .number(0, 0) != 0;
    if (!made) {
        const std::vector<DeliveryRecord> found = named({number, delivery.hook});
        if (found.empty()) return refused(is_new(number));
        return refused(what_is(found.front()));
    }
    return {true, stored->secrets_erased ? std::string(without_secrets) : std::string(), 1};
}

Wish PostgresStore::cancel(const DeliveryName& name, bool kill, Millis now) {
    const std::string number = std::to_string(name.event);
    const std::optional<StoredEvent> stored = event(name.event);
    if (!stored) return refused("there is no event " + number);
    if (stored->state != EventState::matched) {
        if (!name.hook.empty()) return refused(no_delivery(name.event, name.hook, stored->state));
        if (stored->state == EventState::skipped) return refused(number + " is skipped");
        const bool done = call("SELECT bxhook.skip($1::integer, $2, 'cancelled', $3)",
                               {Param::number(shard_), Param::number(name.event), at(now)})
                              .number(0, 0) != 0;
        if (done) return {true, {}, 1};
        return refused(number + " was matched just now: cancel it again");
    }
    const std::vector<DeliveryRecord> found = named(name);
    if (found.empty()) return refused(no_delivery(name.event, name.hook, stored->state));
    std::vector<std::string> hooks;
    for (const DeliveryRecord& delivery : found) hooks.push_back(delivery.hook);
    const Result done = call("SELECT name, did FROM bxhook.cancel($1::integer, $2, $3, $4, $5)",
                             {Param::number(shard_), Param::number(name.event),
                              Param::texts(hooks), Param::boolean(kill), at(now)});
    constexpr std::int64_t cancelled = 1, marked = 2, runs = 3;
    Wish wish;
    for (int row = 0; row < done.rows(); ++row) {
        const std::int64_t did = done.number(row, 1);
        if (did == cancelled || did == marked) ++wish.count;
        if (did != runs) continue;
        if (!wish.text.empty()) wish.text += "; ";
        wish.text += name_text(name.event, done.text(row, 0)) + " is running (--kill ends it)";
    }
    if (wish.count == 0 && wish.text.empty()) {
        if (!name.hook.empty()) return refused(what_is(found.front()));
        return refused(number + " has no waiting delivery");
    }
    wish.done = wish.text.empty();
    return wish;
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
