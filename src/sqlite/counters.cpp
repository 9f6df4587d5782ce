#include "sqlite/counters.h"

#include <algorithm>
#include <span>

#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

constexpr Millis rates_kept = 61 * minute;  // an hour, wherever within a minute it begins

}  // namespace

World read_world(Database& database) {
    Rows rows = database.rows(sql::world);
    if (!rows.next()) return {};
    using row = sql::world_row;
    return {rows.number(row::matched), rows.number(row::finished), rows.number(row::pruned),
            rows.number(row::skipped), rows.number(row::erased),   rows.number(row::scrubbed)};
}

LastEvent last_event(Database& database) {
    Rows rows = database.rows(sql::last_number);
    if (!rows.next()) return {};
    using row = sql::last_row;
    return {rows.number(row::n), rows.number(row::finished), rows.maybe_number(row::received_at)};
}

Counters::OfHook& Counters::of(HookId hook) {
    for (OfHook& counts : hooks_) {
        if (counts.hook == hook) return counts;
    }
    hooks_.emplace_back().hook = hook;
    return hooks_.back();
}

void Counters::ended(HookId hook, DeliveryState state) {
    OfHook& counts = of(hook);
    --counts.open;
    ++counts.now[index(state)];
    ++counts.ever[index(state)];
}

void Counters::resumed(HookId hook, DeliveryState state) {
    OfHook& counts = of(hook);
    ++counts.open;
    --counts.now[index(state)];
}

void Counters::ran(HookId hook, AttemptResult result, bool died, Millis at) {
    const auto which = static_cast<std::size_t>(result) - 1;
    if (which < results) ++of(hook).ran[which];
    const bool told = result <= AttemptResult::lost;
    if ((!told && !died) || !names_.begins(hook, at / minute)) return;
    names_.database().run(sql::minute_begin, hook, at / minute);
    names_.database().run(sql::minute_forget, hook, (at - rates_kept) / minute);
}

void Counters::pruned(EventNumber event) {
    ++world_.pruned;
    last_ = std::max(last_, event);
}

void Counters::write(const OfHook& counts) {
    Database& database = names_.database();
    const auto& [hook, open, now, ever, ran] = counts;
    const auto any = [](std::span<const std::int64_t> counters) {
        return std::ranges::any_of(counters, [](std::int64_t by) { return by != 0; });
    };
    const std::int64_t done = ran[0];
    if (done > 0 && open == -done && now[0] == done && ever[0] == done &&
        !any(std::span(ran).subspan(1)) && !any(std::span(now).subspan(1))) {
        database.run(sql::hook_done, hook, done);
        return;
    }
    if (open != 0 || any(now)) {
        database.run(sql::hook_add, hook, open, now[0], now[1], now[2], now[3]);
    }
    if (any(ever)) database.run(sql::hook_ended, hook, ever[0], ever[1], ever[2], ever[3]);
    if (any(ran)) {
        database.run(sql::hook_ran, hook, ran[0], ran[1], ran[2], ran[3], ran[4], ran[5]);
    }
}

void Counters::write() {
    for (const OfHook& counts : hooks_) write(counts);
    const World& by = world_;
    if (by.matched + last_ + by.pruned + by.erased == 0 && by.finished == 0 && by.skipped == 0) {
        return;
    }
    names_.database().run(sql::world_add, by.matched, last_, by.finished, by.pruned, by.skipped,
                          by.erased);
}

}  // namespace bx::sqlite
