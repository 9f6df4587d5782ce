#include "sqlite/names.h"

#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::size_t portals_kept = 10'000;  // 1 MB and a half
const Portal unknown_portal;

}  // namespace

void Names::forget_what_was_undone() {
    if (undone_ == database_.undone()) return;
    undone_ = database_.undone();
    hooks_.clear();
    hook_names_.clear();
    minutes_.clear();
    portal_ids_.clear();
    portals_.clear();
    ready_.forget();
}

ReadyHooks& Names::ready() {
    forget_what_was_undone();
    return ready_;
}

void Names::read_hooks() {
    Rows rows = database_.rows(sql::hooks);
    while (rows.next()) {
        const HookId id = rows.number(sql::hook_row::id);
        hooks_.insert_or_assign(rows.text(sql::hook_row::name), id);
        hook_names_.insert_or_assign(id, rows.text(sql::hook_row::name));
    }
}

std::optional<HookId> Names::known_hook(const std::string& name) {
    forget_what_was_undone();
    if (const auto found = hooks_.find(name); found != hooks_.end()) return found->second;
    const std::optional<HookId> id = database_.maybe_number(sql::hook_named, name);
    if (!id) return std::nullopt;
    hooks_.emplace(name, *id);
    hook_names_.emplace(*id, name);
    return id;
}

HookId Names::hook(const std::string& name) {
    if (const auto known = known_hook(name)) return *known;
    database_.run(sql::hook_make, name);
    return known_hook(name).value();
}

std::string Names::hook_name(HookId hook) {
    forget_what_was_undone();
    if (const auto found = hook_names_.find(hook); found != hook_names_.end()) {
        return found->second;
    }
    read_hooks();
    const auto found = hook_names_.find(hook);
    return found != hook_names_.end() ? found->second : "hook-" + std::to_string(hook);
}

PortalId Names::portal(const EventFacts& facts) {
    forget_what_was_undone();
    PortalKey key{facts.member_id, facts.domain};
    if (const auto found = portal_ids_.find(key); found != portal_ids_.end()) return found->second;
    const std::string name = facts.lane_portal();
    std::optional<PortalId> id =
        database_.maybe_number(sql::portal_named, name, facts.member_id, facts.domain);
    if (!id) {
        database_.run(sql::portal_make, name, facts.member_id, facts.domain);
        id = database_.last_inserted();
    }
    if (portal_ids_.size() >= portals_kept) portal_ids_.clear();
    portal_ids_.emplace(std::move(key), *id);
    return *id;
}

const Portal& Names::portal(PortalId portal) {
    forget_what_was_undone();
    if (const auto found = portals_.find(portal); found != portals_.end()) return found->second;
    Rows rows = database_.rows(sql::portal, portal);
    if (!rows.next()) return unknown_portal;
    if (portals_.size() >= portals_kept) portals_.clear();
    Portal& made = portals_[portal];
    made = {rows.text(sql::portal_row::member_id), rows.text(sql::portal_row::domain),
            rows.number(sql::portal_row::account)};
    return made;
}

Lane Names::lane(HookId hook, PortalId account, const EventFacts& facts) {
    const std::string entity = lane_of(facts);
    if (entity.empty()) return std::nullopt;
    if (!key_) {
        Rows rows = database_.rows(sql::lane_key);
        if (!rows.next()) throw StoreDamaged("cannot make a lane: the row of `world` is missing");
        key_ = {static_cast<std::uint64_t>(rows.number(sql::key_row::key0)),
                static_cast<std::uint64_t>(rows.number(sql::key_row::key1))};
    }
    const std::string whole =
        std::to_string(hook) + ' ' + std::to_string(account) + ' ' + entity;
    return static_cast<std::int64_t>(siphash(*key_, whole) >> 1);
}

bool Names::begins(HookId hook, std::int64_t minute) {
    forget_what_was_undone();
    std::int64_t& last = minutes_[hook];
    if (last == minute) return false;
    last = minute;
    return true;
}

}  // namespace bx::sqlite
