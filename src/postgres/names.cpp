#include "postgres/names.h"

#include <tuple>

#include "postgres/events.h"
#include "postgres/sql.h"

namespace bx::postgres {

namespace {

constexpr std::size_t portals_kept = 10'000;  // 1 MB and a half

}  // namespace

void Names::forget_another_server() {
    if (generation_ == session_.generation()) return;
    generation_ = session_.generation();
    hooks_.clear();
    hook_names_.clear();
    minutes_.clear();
    portals_.clear();
    portal_names_.clear();
    ready_.forget();
    key_.reset();
}

void Names::read_hooks() {
    const Result answer = session_.call(Call<sql::hooks>());
    for (int row = 0; row < answer.rows(); ++row) {
        const HookId id = answer.number(row, sql::hooks::Out::id);
        const std::string name = answer.text(row, sql::hooks::Out::name);
        hooks_.insert_or_assign(name, id);
        hook_names_.insert_or_assign(id, name);
    }
}

std::optional<HookId> Names::known_hook(const std::string& name) {
    forget_another_server();
    if (const auto found = hooks_.find(name); found != hooks_.end()) return found->second;
    read_hooks();
    const auto found = hooks_.find(name);
    if (found == hooks_.end()) return std::nullopt;
    return found->second;
}

HookId Names::hook(const std::string& name) {
    forget_another_server();
    if (const auto found = hooks_.find(name); found != hooks_.end()) return found->second;
    Call<sql::hook_id> call;
    call[sql::hook_id::In::name] = Param::text(name);
    const HookId id = session_.call(call).number(0, 0);
    forget_another_server();
    hooks_.insert_or_assign(name, id);
    hook_names_.insert_or_assign(id, name);
    return id;
}

std::string Names::hook_name(HookId hook) {
    forget_another_server();
    if (const auto found = hook_names_.find(hook); found != hook_names_.end()) {
        return found->second;
    }
    read_hooks();
    const auto found = hook_names_.find(hook);
    return found != hook_names_.end() ? found->second : "hook-" + std::to_string(hook);
}

Portal Names::portal(const EventFacts& facts) {
    forget_another_server();
    std::pair<std::string, std::string> key{facts.member_id, facts.domain};
    if (const auto found = portals_.find(key); found != portals_.end()) return found->second;
    using in = sql::portal_id::In;
    using out = sql::portal_id::Out;
    Call<sql::portal_id> call;
    call[in::name] = Param::bytes(facts.lane_portal());
    call[in::member_id] = Param::bytes(facts.member_id);
    call[in::domain] = Param::bytes(facts.domain);
    const Result answer = session_.call(call);
    const Portal portal{answer.number(0, out::id), answer.number(0, out::account)};
    forget_another_server();
    if (portals_.size() >= portals_kept) portals_.clear();
    portals_.emplace(std::move(key), portal);
    return portal;
}

void Names::name_portal(std::int64_t id, EventFacts& facts) {
    forget_another_server();
    auto found = portal_names_.find(id);
    if (found == portal_names_.end()) {
        using out = sql::portal_name::Out;
        Call<sql::portal_name> call;
        call[sql::portal_name::In::id] = Param::number(id);
        const Result answer = session_.call(call);
        if (answer.rows() == 0) return;
        forget_another_server();
        if (portal_names_.size() >= portals_kept) portal_names_.clear();
        found = portal_names_.try_emplace(id, answer.text(0, out::member_id),
                                          answer.text(0, out::domain)).first;
    }
    std::tie(facts.member_id, facts.domain) = found->second;
}

std::optional<std::int64_t> Names::lane(std::int64_t account, const EventFacts& facts) {
    const std::string entity = lane_of(facts);
    if (entity.empty()) return std::nullopt;
    forget_another_server();
    if (!key_) {
        using out = sql::lane_key::Out;
        const Result answer = session_.call(Call<sql::lane_key>());
        if (answer.rows() == 0) {
            throw StoreDamaged("cannot make a lane: the row of `world` is missing");
        }
        key_ = {static_cast<std::uint64_t>(answer.number(0, out::key0)),
                static_cast<std::uint64_t>(answer.number(0, out::key1))};
    }
    const std::string whole = std::to_string(account) + ' ' + entity;
    return static_cast<std::int64_t>(siphash(*key_, whole) >> 1 | 1);  // never 0
}

bool Names::begins(HookId hook, std::int64_t minute) {
    forget_another_server();
    std::int64_t& last = minutes_[hook];
    if (last == minute) return false;
    last = minute;
    return true;
}

Seen Names::see_up_to(EventNumber last) {
    const std::int64_t generation = session_.generation();
    if (seen_.generation != generation || last > seen_.number) {
        seen_ = {generation, postgres::seen_up_to(session_)};
    }
    return seen_;
}

ReadyHooks& Names::ready() {
    forget_another_server();
    return ready_;
}

}  // namespace bx::postgres
