#include "store/records.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "config/hook_name.h"

namespace bx {

namespace {

// In the order of the enums.
constexpr std::array<std::string_view, 3> event_states = {"new", "matched", "skipped"};
constexpr std::array<std::string_view, 6> delivery_states = {"waiting", "running", "done",
                                                             "dead",    "merged",  "cancelled"};
constexpr std::array<std::string_view, 7> attempt_results = {
    "running", "done", "failed", "timeout", "lost", "interrupted", "cancelled"};
constexpr std::array<std::string_view, 4> origins = {"post", "offline", "test", "self"};
constexpr std::array states_of_rows{RowState::fresh,   RowState::skipped, RowState::waiting,
                                    RowState::running, RowState::done,    RowState::dead,
                                    RowState::merged,  RowState::cancelled};
constexpr std::string_view no_hook = "-";

// A number that the enum does not have comes from a damaged row.
std::string_view word_at(std::span<const std::string_view> words, auto value) {
    const auto at = static_cast<std::size_t>(value);
    return at < words.size() ? words[at] : "damaged";
}

}  // namespace

std::string_view name_of(EventState state) { return word_at(event_states, state); }
std::string_view name_of(DeliveryState state) { return word_at(delivery_states, state); }
std::string_view name_of(AttemptResult result) { return word_at(attempt_results, result); }
std::string_view name_of(Origin origin) { return word_at(origins, origin); }

std::string_view name_of(RowState state) {
    return is_of_event(state) ? name_of(event_state(state)) : name_of(delivery_state(state));
}

std::optional<DeliveryState> delivery_state(std::string_view name) {
    for (std::size_t i = 0; i < delivery_states.size(); ++i) {
        if (delivery_states[i] == name) return static_cast<DeliveryState>(i);
    }
    return std::nullopt;
}

std::optional<RowState> row_state(std::string_view name) {
    for (const RowState state : states_of_rows) {
        if (name_of(state) == name) return state;
    }
    return std::nullopt;
}

std::span<const RowState> row_states() { return states_of_rows; }

std::string joined_names(std::span<const RowState> states, std::string_view separator) {
    std::string text;
    for (const RowState state : states) {
        text.append(text.empty() ? "" : separator).append(name_of(state));
    }
    return text;
}

EventState event_state(RowState state) {
    return state == RowState::fresh ? EventState::fresh : EventState::skipped;
}

DeliveryState delivery_state(RowState state) {
    const int first = static_cast<int>(RowState::waiting);
    return static_cast<DeliveryState>(static_cast<int>(state) - first);
}

std::string to_string(const DeliveryName& name) {
    std::string text = std::to_string(name.event);
    if (!name.hook.empty()) text += '/' + name.hook;
    return text;
}

std::optional<DeliveryName> delivery_name(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::optional<EventNumber> number = parse_number(text.substr(0, slash));
    if (!number || *number < 1) return std::nullopt;
    if (slash == std::string_view::npos) return DeliveryName{*number, {}};
    const std::string_view hook = text.substr(slash + 1);
    if (hook == no_hook) return DeliveryName{*number, {}};
    if (!is_hook_name(hook)) return std::nullopt;
    return DeliveryName{*number, std::string(hook)};
}

std::string name_of(const ListRow& row) {
    return to_string({row.event.number, row.delivery ? row.delivery->hook : std::string(no_hook)});
}

bool is_of_other_event(const Refusal& refusal) { return refusal.rule == HookRule::event; }

RowState state_of(const ListRow& row) {
    if (row.delivery) {
        const int first = static_cast<int>(RowState::waiting);
        return static_cast<RowState>(first + static_cast<int>(row.delivery->state));
    }
    return row.event.state == EventState::fresh ? RowState::fresh : RowState::skipped;
}

bool has_failed(const ListRow& row) {
    if (!row.delivery || row.delivery->reason.empty()) return false;
    const DeliveryState state = row.delivery->state;
    return state == DeliveryState::dead || state == DeliveryState::waiting;
}

std::string lane_of(const EventFacts& facts) {
    if (facts.id.empty()) return {};
    return std::to_string(facts.kind.size()) + ':' + facts.kind + facts.id;
}

void StoreStatus::add_tally(std::string_view hook, std::string_view what, std::int64_t count) {
    if (hook.empty()) {
        if (what == name_of(EventState::fresh)) events_new = count;
        if (what == name_of(EventState::matched)) events_matched = count;
        if (what == name_of(EventState::skipped)) events_skipped = count;
        if (what == "unfinished") unfinished = count;
        return;
    }
    const std::optional<DeliveryState> state = delivery_state(what);
    if (!state) return;
    if (hooks.empty() || hooks.back().hook != hook) hooks.push_back({.hook = std::string(hook)});
    switch (*state) {
        case DeliveryState::waiting:
            waiting += count;
            hooks.back().waiting = count;
            break;
        case DeliveryState::running:
            running += count;
            hooks.back().running = count;
            break;
        case DeliveryState::done: done += count; break;
        case DeliveryState::dead:
            dead += count;
            hooks.back().dead = count;
            break;
        case DeliveryState::merged: merged += count; break;
        case DeliveryState::cancelled: cancelled += count; break;
    }
}

void StoreStatus::set_rates(std::string_view hook, std::int64_t done_1h, std::int64_t failed_1h,
                            std::int64_t dead_1h) {
    const auto counts = std::ranges::find(hooks, hook, &HookCounts::hook);
    if (counts == hooks.end()) return;  // a delivery that ran is in the tally
    counts->done_1h = done_1h;
    counts->failed_1h = failed_1h;
    counts->dead_1h = dead_1h;
}

void StoreStatus::drop_idle_hooks() {
    std::erase_if(hooks, [](const HookCounts& hook) {
        return hook.waiting + hook.running + hook.done_1h + hook.failed_1h + hook.dead_1h == 0;
    });
}

void StoreStatus::add_due(std::string_view hook, std::int64_t count, Millis oldest) {
    const auto earlier = [oldest](std::optional<Millis>& moment) {
        moment = std::min(moment.value_or(oldest), oldest);
    };
    due += count;
    earlier(oldest_due_at);
    const auto counts = std::ranges::find(hooks, hook, &HookCounts::hook);
    if (counts != hooks.end()) earlier(counts->oldest_due_at);
}

}  // namespace bx
