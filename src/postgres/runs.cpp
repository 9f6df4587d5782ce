// The runner's part of the PostgreSQL store: claim, finish.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "postgres/columns.h"
#include "postgres/events.h"
#include "postgres/parts.h"
#include "postgres/verdicts.h"

namespace bx::postgres {

namespace {

constexpr int claim_rounds = 10;  // of a thousand deliveries that are due, in one claim
// When a turn looks what hooks have something to claim.
enum class Look { no, yes, when_slots_are_left };

std::optional<int> small(std::optional<std::int64_t> number) {
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

// From the one after LAST on, round.
std::vector<HookId> in_turn(const std::set<HookId>& hooks, HookId last) {
    const auto first = hooks.upper_bound(last);
    std::vector<HookId> all(first, hooks.end());
    all.insert(all.end(), hooks.begin(), first);
    return all;
}

class Runs final : public RunQueue {
public:
    explicit Runs(Names& names) : names_(names), session_(names.session()) {}

    std::vector<bool> start(std::span<const Claim> claims) override;
    void unstart(const Claim& claim) override;
    std::vector<Claim> finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                        const HookCapacity& capacity, Millis now) override;
    std::vector<Claim> dispatch_and_claim(std::span<const Dispatch> verdicts, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) override;
    void save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                     const Output& err) override;
    std::vector<Orphan> orphans(std::span<const DeliveryName> mine) override;
    std::optional<Millis> next_due(Millis now) override;
    std::vector<DeliveryName> kill_requests() override;

private:
    using Turn = Call<sql::turn>;
    // What a run that has not ended is known by.
    struct Begun {
        Millis at = 0;
        std::int64_t seed = 0;
    };
    // What a turn found beside the claims.
    struct Left {
        std::set<HookId> hooks;  // with something to claim
        bool more_due = false;
    };
    Look when_to_look(int round);
    void look_ahead(const HookCapacity& capacity);
    void add_ends(Turn& turn, std::span<const Finish> runs);
    template <typename Function>
    void add_hooks(Call<Function>& call, const std::set<HookId>& hooks, const HookCapacity& capacity);
    void remember(const std::set<HookId>& hooks, const HookCapacity& capacity);
    Left take_answer(const Result& answer, std::vector<Claim>& claims, Millis now);
    void forget(std::span<const Finish> runs);

    Names& names_;
    Session& session_;
    std::unordered_map<DeliveryId, Begun> begun_;
    std::optional<Millis> server_clock_;  // ahead of our steady one, when `orphans` last looked
    std::set<DeliveryId> saved_;  // of these some output is kept
    // Perhaps `running`, and not started: the answer was lost, or came too late.
    std::set<DeliveryId> unstarted_;
    // Whose turn it was: the hook served last, and of each hook the portal.
    HookId last_hook_ = 0;
    std::unordered_map<HookId, std::int64_t> last_portal_;
    bool unsure_ = false;  // hooks that were not asked by the last claim may have something
};

Look Runs::when_to_look(int round) {
    const ReadyHooks& ready = names_.ready();
    if (round > 0 || !ready.is_fresh(steady_now())) return Look::yes;
    return ready.leaves_out_many() ? Look::no : Look::when_slots_are_left;
}

// So that of hooks of which nothing is known none is passed over.
void Runs::look_ahead(const HookCapacity& capacity) {
    const Result answer = session_.call(Call<sql::ready_hooks>());
    std::set<HookId> hooks;
    for (int row = 0; row < answer.rows(); ++row) hooks.insert(answer.number(row, 0));
    remember(hooks, capacity);
}

// One round trip, unless more are due than a turn takes, or other hooks have something to claim than
// it was known.
std::vector<Claim> Runs::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) {
    std::vector<Claim> claims;
    if (slots == 0 && runs.empty()) return claims;
    for (int round = 0; round < claim_rounds; ++round) {
        const std::int64_t generation = session_.generation();
        const Look look = when_to_look(round);
        if (!names_.ready().known() && slots > 0) look_ahead(capacity);
        // Others of theirs may have a turn.
        for (const Finish& run : runs) names_.ready().add(names_.hook(run.hook));
        const std::set<HookId> asked = names_.ready().hooks();
        using in = sql::turn::In;
        Turn turn;
        turn[in::owner] = session_.owner();
        turn[in::shard] = session_.shard();
        turn[in::now] = session_.at(now);
        add_ends(turn, runs);
        turn[in::slots] = Param::number(static_cast<std::int64_t>(slots - claims.size()));
        turn[in::list] = Param::number(static_cast<std::int64_t>(look));
        add_hooks(turn, asked, capacity);
        Left left;
        try {
            left = take_answer(session_.call(turn, generation), claims, now);
        } catch (...) {
            names_.forget_minutes();
            if (round == 0 || claims.empty()) throw;
            unsure_ = true;  // what the rounds before have claimed is to run
            break;
        }
        forget(runs);
        runs = {};
        if (slots == 0) break;
        const bool full = claims.size() >= slots;
        unsure_ = look == Look::no && !full;
        if (look == Look::yes || (look != Look::no && !full)) remember(left.hooks, capacity);
        if (full) break;
        const bool others = std::ranges::any_of(left.hooks, [&](HookId hook) {
            return !asked.contains(hook) && capacity(names_.hook_name(hook)) > 0;
        });
        if (!left.more_due && !others) break;
    }
    return claims;
}

void Runs::add_ends(Turn& turn, std::span<const Finish> runs) {
    if (runs.empty()) return;
    using in = sql::turn::In;
    std::vector<std::pair<DeliveryId, const Finish*>> ends;  // in the order in which rows are locked
    for (const Finish& run : runs) ends.emplace_back(delivery_id(run.event, names_.hook(run.hook)), &run);
    std::ranges::sort(ends);
    const auto numbers = [&](auto part, std::optional<std::int64_t> nothing = std::nullopt) {
        return numbers_of(ends, [&](const auto& end) { return part(*end.second); }, nothing);
    };
    const auto list = [&](auto part) {
        std::vector<std::int64_t> all;
        for (const auto& end : ends) all.push_back(part(*end.second));
        return Param::numbers(all);
    };
    const auto bytes = [&](auto part) {
        return bytes_of(ends, [&](const auto& end) -> const std::string& { return part(*end.second); });
    };
    Millis last = 0;
    for (const Finish& run : runs) last = std::max(last, run.ended_at);
    const std::int64_t minute = session_.theirs(last) / bx::minute;
    std::vector<std::int64_t> begin;
    std::vector<std::int64_t> outputs;
    std::vector<std::int64_t> started;
    std::vector<std::int64_t> seeds;
    for (const auto& end : ends) {
        if (names_.begins(hook_of(end.first), minute)) begin.push_back(hook_of(end.first));
        if (saved_.contains(end.first)) outputs.push_back(end.first);
        const auto found = begun_.find(end.first);
        const bool known = found != begun_.end();
        started.push_back(session_.theirs(known ? found->second.at : end.second->ended_at));
        seeds.push_back(known ? found->second.seed : session_.run_seed());
    }
    turn[in::at] = session_.at(last);
    if (!begin.empty()) turn[in::minute_hooks] = Param::numbers(begin);
    if (!outputs.empty()) turn[in::output] = Param::numbers(outputs);
    turn[in::started] = Param::numbers(started);
    turn[in::seed] = Param::numbers(seeds);
    turn[in::d] = numbers_of(ends, [](const auto& end) { return end.first; });
    turn[in::attempt] = list([](const Finish& run) { return run.attempt; });
    turn[in::result] = list([](const Finish& run) { return static_cast<int>(run.result); });
    turn[in::ended] = list([this](const Finish& run) { return session_.theirs(run.ended_at); });
    turn[in::next] = list([](const Finish& run) { return static_cast<int>(run.next); });
    turn[in::counts] = list([](const Finish& run) { return run.counts; });
    turn[in::max] = numbers([](const Finish& run) { return run.max_attempts.value_or(0); }, 0);
    turn[in::why] = bytes([](const Finish& run) -> const auto& { return run.delivery_reason; });
    turn[in::due] = list([this](const Finish& run) { return session_.theirs(run.due_at); });
    turn[in::exit] = numbers([](const Finish& run) { return run.exit; });
    turn[in::signal] = texts_of(ends, [](const auto& end) { return end.second->signal; });
    turn[in::note] = bytes([](const Finish& run) -> const auto& { return run.reason; });
    turn[in::out] = bytes([](const Finish& run) -> const auto& { return run.out.kept; });
    turn[in::out_bytes] = numbers([](const Finish& run) { return run.out.bytes; }, 0);
    turn[in::err] = bytes([](const Finish& run) -> const auto& { return run.err.kept; });
    turn[in::err_bytes] = numbers([](const Finish& run) { return run.err.bytes; }, 0);
}

void Runs::remember(const std::set<HookId>& hooks, const HookCapacity& capacity) {
    std::set<HookId> enabled;
    for (const HookId hook : hooks) {
        if (capacity(names_.hook_name(hook)) > 0) enabled.insert(hook);
    }
    const std::size_t left_out = hooks.size() - enabled.size();
    names_.ready().looked(std::move(enabled), left_out, steady_now());
}

// Of HOOKS those that have room.
template <typename Function>
void Runs::add_hooks(Call<Function>& call, const std::set<HookId>& hooks,
                     const HookCapacity& capacity) {
    using in = typename Function::In;
    std::vector<std::int64_t> ids, room, last;
    for (const HookId hook : in_turn(hooks, last_hook_)) {
        const std::size_t most = capacity(names_.hook_name(hook));
        if (most == 0) continue;
        ids.push_back(hook);
        room.push_back(static_cast<std::int64_t>(most));
        last.push_back(last_portal_[hook]);
    }
    if (ids.empty()) return;
    call[in::hooks] = Param::numbers(ids);
    call[in::room] = Param::numbers(room);
    call[in::last] = Param::numbers(last);
}

// The columns of a claim are those of sql::dispatch_and_claim too.
Runs::Left Runs::take_answer(const Result& answer, std::vector<Claim>& claims, Millis now) {
    using out = sql::turn::Out;
    static_assert(int{out::width} == int{sql::dispatch_and_claim::Out::width});
    Left left;
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryId d = answer.number(row, out::d);
        if (event_of(d) == 0) {
            if (d == 0) left.more_due = true;
            if (d != 0) left.hooks.insert(d);
            continue;
        }
        Claim claim;
        claim.hook = names_.hook_name(hook_of(d));
        claim.attempt = static_cast<int>(answer.number(row, out::attempt));
        claim.max_attempts = static_cast<int>(answer.number(row, out::max_attempts));
        claim.failures = small(answer.maybe_number(row, out::failures));
        claim.started_at = now;
        claim.run = run_name(session_.run_seed(), event_of(d), claim.hook, claim.attempt);
        claim.event = read_event(session_, answer, row, out::n);
        if (const auto portal = answer.maybe_number(row, out::event_portal)) {
            names_.name_portal(*portal, claim.event.facts);
        }
        claim.event.number = event_of(d);
        claim.event.state = EventState::matched;
        read_payload(claim.event, answer, row, out::body);
        claim.event.secrets_erased =
            answer.number(row, out::had_secret) != 0 && answer.is_null(row, out::secret);
        begun_[d] = {now, session_.run_seed()};
        last_hook_ = hook_of(d);
        last_portal_[last_hook_] = answer.number(row, out::portal);
        claims.push_back(std::move(claim));
    }
    return left;
}

std::vector<Claim> Runs::dispatch_and_claim(std::span<const Dispatch> verdicts,
                                            std::size_t slots, const HookCapacity& capacity,
                                            Millis now) {
    const Seen seen = names_.see_up_to(last_of(verdicts));
    const Deliveries deliveries = deliveries_of(names_, verdicts);
    for (const DeliveryId d : deliveries.ids) names_.ready().add(hook_of(d));
    Call<sql::dispatch_and_claim> call;
    add_verdicts(call, session_, verdicts, deliveries, seen.number, now);
    call[sql::dispatch_and_claim::In::slots] = Param::number(static_cast<std::int64_t>(slots));
    add_hooks(call, names_.ready().hooks(), capacity);
    std::vector<Claim> claims;
    take_answer(session_.call(call, seen.generation), claims, now);
    return claims;
}

void Runs::forget(std::span<const Finish> runs) {
    for (const Finish& run : runs) {
        const DeliveryId d = delivery_id(run.event, names_.hook(run.hook));
        begun_.erase(d);
        saved_.erase(d);
    }
}

// All were claimed at the same moment.
std::vector<bool> Runs::start(std::span<const Claim> claims) {
    if (claims.empty()) return {};
    std::vector<DeliveryId> deliveries;
    for (const Claim& claim : claims) {
        deliveries.push_back(delivery_id(claim.event.number, names_.hook(claim.hook)));
    }
    using in = sql::start::In;
    Call<sql::start> call;
    call[in::owner] = session_.owner();
    call[in::seed] = Param::number(session_.run_seed());
    call[in::now] = session_.at(claims.front().started_at);
    call[in::d] = Param::numbers(deliveries);
    unstarted_.insert(deliveries.begin(), deliveries.end());
    const Result answer = session_.call(call);
    for (const DeliveryId d : deliveries) unstarted_.erase(d);
    std::set<DeliveryId> begun;
    for (int row = 0; row < answer.rows(); ++row) begun.insert(answer.number(row, 0));
    std::vector<bool> may;
    for (const DeliveryId d : deliveries) {
        may.push_back(begun.contains(d));
        if (!may.back()) begun_.erase(d);
    }
    return may;
}

void Runs::unstart(const Claim& claim) {
    const DeliveryId d = delivery_id(claim.event.number, names_.hook(claim.hook));
    unstarted_.insert(d);
    begun_.erase(d);
}

void Runs::save_output(EventNumber event, const std::string& hook, int attempt,
                       const Output& out, const Output& err) {
    using in = sql::save_output::In;
    const DeliveryId d = delivery_id(event, names_.hook(hook));
    Call<sql::save_output> call;
    call[in::d] = Param::number(d);
    call[in::attempt] = Param::number(std::int64_t{attempt});
    call[in::out] = Param::bytes(out.kept);
    call[in::out_bytes] = Param::number(out.bytes);
    call[in::err] = Param::bytes(err.kept);
    call[in::err_bytes] = Param::number(err.bytes);
    saved_.insert(d);
    session_.call(call);
}

std::vector<Orphan> Runs::orphans(std::span<const DeliveryName> mine) {
    using in = sql::orphans::In;
    using out = sql::orphans::Out;
    std::vector<std::int64_t> deliveries;
    for (const DeliveryName& name : mine) {
        deliveries.push_back(delivery_id(name.event, names_.hook(name.hook)));
    }
    Call<sql::orphans> call;
    call[in::owner] = session_.owner();
    call[in::seed] = Param::number(session_.run_seed());
    call[in::lease] = Param::number(lease_time);
    call[in::mine] = Param::numbers(deliveries);
    call[in::unstarted] =
        Param::numbers(std::vector<std::int64_t>(unstarted_.begin(), unstarted_.end()));
    const Millis asked = steady_now();
    if (server_clock_) call[in::expected] = Param::number(*server_clock_ + asked);
    const Result answer = session_.call(call);
    unstarted_.clear();
    names_.ready().forget();
    std::vector<Orphan> found;
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryId d = answer.number(row, out::d);
        if (d == 0) {
            server_clock_ = answer.number(row, out::started_at) - asked;
            continue;
        }
        Orphan orphan;
        orphan.event = event_of(d);
        orphan.hook = names_.hook_name(hook_of(d));
        orphan.attempt = static_cast<int>(answer.number(row, out::attempt));
        orphan.max_attempts = static_cast<int>(answer.number(row, out::max_attempts));
        orphan.failures = small(answer.maybe_number(row, out::failures));
        orphan.started_at = session_.ours(answer.number(row, out::started_at));
        const std::int64_t seed = answer.number(row, out::seed);
        orphan.run = run_name(seed, orphan.event, orphan.hook, orphan.attempt);
        orphan.out = {answer.text(row, out::out_kept), answer.number(row, out::out_bytes)};
        orphan.err = {answer.text(row, out::err_kept), answer.number(row, out::err_bytes)};
        begun_[d] = {orphan.started_at, seed};
        if (orphan.out.bytes + orphan.err.bytes > 0) saved_.insert(d);
        found.push_back(std::move(orphan));
    }
    return found;
}

std::optional<Millis> Runs::next_due(Millis now) {
    if (unsure_) return now;
    return session_.ours(session_.call(Call<sql::next_due>()).maybe_number(0, 0));
}

std::vector<DeliveryName> Runs::kill_requests() {
    const Result answer = session_.call(Call<sql::kill_requests>());
    std::vector<DeliveryName> requests;
    for (int row = 0; row < answer.rows(); ++row) {
        const DeliveryId d = answer.number(row, sql::kill_requests::Out::d);
        requests.push_back({event_of(d), names_.hook_name(hook_of(d))});
    }
    return requests;
}

}  // namespace

std::unique_ptr<RunQueue> make_run_queue(Names& names) { return std::make_unique<Runs>(names); }

}  // namespace bx::postgres
