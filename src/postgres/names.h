// Hooks and portals by number, as the tables have them, and deliveries by theirs.  What was looked
// up once is remembered as long as the connection lasts: neither is ever deleted, or changed, but
// another server may not have it.
//
// Every function that asks the database throws StoreError.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/siphash.h"
#include "postgres/session.h"
#include "store/ready_hooks.h"
#include "store/records.h"

namespace bx::postgres {

using HookId = std::int64_t;
using DeliveryId = std::int64_t;  // N << 16 | hook

constexpr int hook_bits = 16;
constexpr HookId hooks_at_most = (1 << hook_bits) - 1;

constexpr DeliveryId delivery_id(EventNumber event, HookId hook) {
    return event << hook_bits | hook;
}
constexpr EventNumber event_of(DeliveryId d) { return d >> hook_bits; }
constexpr HookId hook_of(DeliveryId d) { return d & hooks_at_most; }

struct Portal {
    std::int64_t id = 0;
    std::int64_t account = 0;  // stands for all portals of that name in lanes and turns
};

// Up to this event no other is to come any more, as the connection of that generation has told.
struct Seen {
    std::int64_t generation = -1;
    EventNumber number = 0;
};

class Names {
public:
    explicit Names(Session& session) : session_(session) {}

    Session& session() { return session_; }

    // Of a hook that is there; none for an unknown name.
    std::optional<HookId> known_hook(const std::string& name);
    HookId hook(const std::string& name);  // makes it when there is none
    std::string hook_name(HookId hook);    // "hook-7" when its row is missing
    Portal portal(const EventFacts& facts);  // makes it when there is none
    // The reverse: fills in what FACTS have of the portal of that id.
    void name_portal(std::int64_t id, EventFacts& facts);
    // Of ACCOUNT; none for facts without an id.
    std::optional<std::int64_t> lane(std::int64_t account, const EventFacts& facts);

    // True once a minute for each hook, and after what was written then may have been undone.
    bool begins(HookId hook, std::int64_t minute);
    void forget_minutes() { minutes_.clear(); }

    // What was told last; where that does not reach up to LAST (somebody else told of it), it is asked.
    Seen see_up_to(EventNumber last);
    void saw(const Seen& seen) { seen_ = seen; }
    // Whoever makes something claimable says so here.
    ReadyHooks& ready();

private:
    void forget_another_server();
    void read_hooks();

    Session& session_;
    std::int64_t generation_ = -1;  // of the connection that the rest was learnt from
    std::map<std::string, HookId, std::less<>> hooks_;
    std::unordered_map<HookId, std::string> hook_names_;
    std::unordered_map<HookId, std::int64_t> minutes_;
    std::map<std::pair<std::string, std::string>, Portal> portals_;  // by member_id and domain
    std::unordered_map<std::int64_t, std::pair<std::string, std::string>> portal_names_;
    std::optional<SipKey> key_;
    ReadyHooks ready_;
    Seen seen_;
};

}  // namespace bx::postgres
