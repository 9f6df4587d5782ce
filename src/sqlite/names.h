// Hooks and portals by number, as the tables have them, and deliveries by theirs.  What was looked
// up once is remembered: neither is ever deleted, or changed.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/siphash.h"
#include "sqlite/database.h"
#include "store/ready_hooks.h"
#include "store/records.h"

namespace bx::sqlite {

using HookId = std::int64_t;
using PortalId = std::int64_t;
using DeliveryId = std::int64_t;  // N << 16 | hook
using Lane = std::optional<std::int64_t>;

constexpr int hook_bits = 16;
constexpr HookId hooks_at_most = (1 << hook_bits) - 1;

constexpr DeliveryId delivery_id(EventNumber event, HookId hook) {
    return event << hook_bits | hook;
}
constexpr EventNumber event_of(DeliveryId d) { return d >> hook_bits; }
constexpr HookId hook_of(DeliveryId d) { return d & hooks_at_most; }
// Those of an event.
constexpr DeliveryId first_of(EventNumber event) { return delivery_id(event, 0); }
constexpr DeliveryId last_of(EventNumber event) { return delivery_id(event, hooks_at_most); }

// A number that is an int, or none.
constexpr std::optional<int> small(std::optional<std::int64_t> number) {
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

struct Portal {
    std::string member_id;
    std::string domain;
    PortalId account = 0;  // stands for all portals of that name in lanes and turns
};

class Names {
public:
    explicit Names(Database& database) : database_(database) {}

    Database& database() { return database_; }

    // Of a hook that is there; none for an unknown name.
    std::optional<HookId> known_hook(const std::string& name);
    // Makes it when there is none; in a write transaction.
    HookId hook(const std::string& name);
    std::string hook_name(HookId hook);  // "hook-7" when its row is missing

    PortalId portal(const EventFacts& facts);  // makes it when there is none
    const Portal& portal(PortalId portal);     // empty when its row is missing

    // None for facts without an id.
    Lane lane(HookId hook, PortalId account, const EventFacts& facts);

    // True once a minute for each hook, and after what was written then may have been undone.
    bool begins(HookId hook, std::int64_t minute);
    // Whoever makes something claimable says so here.
    ReadyHooks& ready();

private:
    void forget_what_was_undone();
    void read_hooks();

    Database& database_;
    std::int64_t undone_ = 0;  // when the rest was learnt
    std::map<std::string, HookId, std::less<>> hooks_;
    std::unordered_map<HookId, std::string> hook_names_;
    std::unordered_map<HookId, std::int64_t> minutes_;
    using PortalKey = std::pair<std::string, std::string>;  // member_id, domain
    std::map<PortalKey, PortalId> portal_ids_;
    std::unordered_map<PortalId, Portal> portals_;
    std::optional<SipKey> key_;
    ReadyHooks ready_;
};

}  // namespace bx::sqlite
