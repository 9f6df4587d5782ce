#include "worker/matcher.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "host/own_commands.h"
#include "worker/decision.h"

namespace bx {

namespace {

// In one iteration: the hooks' pipes wait as long.
constexpr Millis merge_time = second / 5;
// Of the events of a batch, each of which may hold limits.body; the last may go beyond.
constexpr std::size_t batch_bytes = std::size_t{256} << 10;
// Events that wait for a hook's file and are read with each batch, to reach those behind them.
constexpr std::size_t held_at_most = 100;
constexpr std::size_t held_bytes_at_most = std::size_t{2} << 20;
// Events that may be skipped again: as many as are matched again in one go (rematch.cpp).
constexpr std::size_t said_at_most = 10'000;

// The lanes of EVENT in all hooks, and so what must not go before it.
std::pair<std::string, std::string> place_of(const StoredEvent& event) {
    return {event.facts.lane_portal(), lane_of(event.facts)};
}

}  // namespace

bool Matcher::match() {
    if (!context_.live.hooks().ready()) return false;
    rematch_.work();
    const std::size_t size = batch_.size();
    first_ = 0;
    const Millis begun = steady_now();
    try {
        const bool matched = match_oldest(size);
        batch_.went(steady_now() - begun);
        return matched;
    } catch (const std::exception& error) {
        batch_.failed();
        held_ = {};
        starts_ = false;  // it may not be the events' fault
        if (size > 1 || !may_be_its_own_fault(error) || !has_failed_often(first_)) throw;
        set_aside(first_, error.what());
        return true;
    }
}

Millis Matcher::next(Millis now) const {
    const Millis at = context_.live.hooks().gone_until();
    return at > now ? at : Timer::never;
}

// AT_MOST of them, and those that are held.
std::vector<StoredEvent> Matcher::oldest(std::size_t at_most) {
    const std::size_t most = at_most + held_.events;
    const std::size_t most_bytes = batch_bytes + held_.bytes;
    std::vector<StoredEvent> events = queue_.undispatched(most, most_bytes);
    std::size_t bytes = 0;
    for (const StoredEvent& event : events) bytes += event.payload_bytes();
    full_ = events.size() == most || bytes >= most_bytes;
    return events;
}

bool Matcher::match_oldest(std::size_t at_most) {
    const Held held_before = held_;
    const std::vector<StoredEvent> events = oldest(at_most);
    if (events.empty()) return false;
    refresh();
    context_.live.log_hook_warnings();
    if (!context_.live.hooks().ready()) return false;
    const std::vector<const StoredEvent*> free = take_free(events, at_most);
    // Unless all are held, and no more of them may be: then they are waited for.
    const bool moves = !free.empty() || held_ != held_before;
    if (free.size() == at_most || (full_ && moves)) context_.more = true;
    if (free.empty()) return false;
    first_ = free.front()->number;
    std::vector<Dispatch> dispatches;
    std::vector<std::string> log_reasons;
    for (const StoredEvent* event : free) {
        Decision decision = decide(*event, context_.live.hooks().set(), wall_now());
        dispatches.push_back(std::move(decision.dispatch));
        log_reasons.push_back(std::move(decision.log_reason));
    }
    if (!merge_ahead(dispatches)) {
        context_.more = true;
        return false;
    }
    if (uninstallations_ != nullptr) uninstallations_->take(free);
    dispatch(dispatches, log_reasons);
    context_.unscrubbed = context_.progress = true;
    return true;
}

// Those of EVENTS that wait for no hook's file, AT_MOST of them; counts the others.
std::vector<const StoredEvent*> Matcher::take_free(std::span<const StoredEvent> events,
                                                   std::size_t at_most) {
    const std::span<const Hook> gone = context_.live.hooks().gone(context_.now);
    std::set<std::pair<std::string, std::string>> held_places;
    std::vector<const StoredEvent*> free;
    Held held;
    for (const StoredEvent& event : events) {
        if (free.size() == at_most) break;
        const auto place = place_of(event);
        if (held_places.contains(place) || is_taken(event, gone)) {
            ++held.events;
            held.bytes += event.payload_bytes();
            if (!place.second.empty()) held_places.insert(place);
        } else {
            free.push_back(&event);
        }
    }
    held_ = {std::min(held.events, held_at_most), std::min(held.bytes, held_bytes_at_most)};
    return free;
}

// A hook that was there before its event, or was corrected before the event's retry, must take it:
// the last look has to be younger than what these events were read from.
void Matcher::refresh() {
    context_.live.look(context_.now);
}

// False: there is more to merge than fits into an iteration.
bool Matcher::merge_ahead(std::span<const Dispatch> dispatches) {
    const Millis end = steady_now() + merge_time;
    while (queue_.merge_ahead(dispatches, wall_now())) {
        context_.unscrubbed = context_.progress = true;
        if (steady_now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(step_pause));
    }
    return true;
}

// In transactions of bounded size.  LOG_REASONS are those of DISPATCHES.
void Matcher::dispatch(std::span<const Dispatch> dispatches,
                       std::span<const std::string> log_reasons) {
    while (!dispatches.empty()) {
        const std::size_t count = count_for_transaction(dispatches);
        put(dispatches.first(count), count == dispatches.size());
        for (std::size_t i = 0; i < count; ++i) report(dispatches[i], log_reasons[i]);
        dispatches = dispatches.subspan(count);
        log_reasons = log_reasons.subspan(count);
    }
}

// In one transaction.
void Matcher::put(std::span<const Dispatch> dispatches, bool are_last) {
    const auto may_start = [now = wall_now()](const Dispatch& dispatch) {
        return std::ranges::any_of(dispatch.deliveries, [now](const NewDelivery& delivery) {
            return delivery.due_at <= now;
        });
    };
    const bool start = dispatch_and_start_ && starts_ && are_last &&
                       std::ranges::any_of(dispatches, may_start);
    if (start && dispatch_and_start_(dispatches)) return;
    queue_.dispatch(dispatches, wall_now());
    starts_ = true;
    fault_point("after-dispatch");
}

bool Matcher::has_failed_often(EventNumber event) {
    if (event == 0) return false;  // it failed before an event was read
    if (std::exchange(failing_, event) != event) failures_ = 0;
    return ++failures_ >= failures_at_most;
}

// So that the others go on.  Were it the store's fault, this would fail as well.
void Matcher::set_aside(EventNumber event, const std::string& why) {
    Dispatch dispatch;
    dispatch.event = event;
    dispatch.skip_reason = "cannot be matched: " + why;
    dispatch.retryable = true;
    queue_.dispatch({&dispatch, 1}, wall_now());
    report(dispatch, "");
    context_.progress = context_.more = true;
}

void Matcher::report(const Dispatch& dispatch, const std::string& log_reason) {
    if (!dispatch.deliveries.empty()) {
        report_unable(dispatch);
    } else if (dispatch.retryable && dispatch.refused.empty()) {  // no hook was asked
        context_.log.error("set aside",
                           {{"event", dispatch.event},
                            {"reason", dispatch.skip_reason},
                            {"fix", OwnCommands().line("retry " + std::to_string(dispatch.event))}});
    } else if (dispatch.retryable) {
        report_retryable(dispatch.event, log_reason);
    } else {
        context_.log.info("skipped", {{"event", dispatch.event}, {"reason", log_reason}});
    }
}

// Once for each reason: it is matched again with every change of the hooks.
void Matcher::report_retryable(EventNumber event, const std::string& log_reason) {
    if (said_.size() > said_at_most) said_.clear();
    const std::size_t hash = std::hash<std::string>()(log_reason);
    const auto [place, is_new] = said_.try_emplace(event, hash);
    const bool again = !is_new && std::exchange(place->second, hash) == hash;
    if (again) context_.log.debug("skipped again", {{"event", event}, {"reason", log_reason}});
    else context_.log.warning("skipped", {{"event", event}, {"reason", log_reason}});
}

// It is not matched again, since other hooks have it: a person says that this one is to get it too.
void Matcher::report_unable(const Dispatch& dispatch) const {
    for (const Refusal& refusal : dispatch.refused) {
        if (refusal.rule != HookRule::unable) continue;
        const DeliveryName name{dispatch.event, refusal.hook};
        context_.log.warning("a hook that cannot run did not get an event that others got",
                             {{"event", dispatch.event},
                              {"hook", refusal.hook},
                              {"cause", refusal.reason},
                              {"fix", OwnCommands().line("retry " + to_string(name))}});
    }
}

}  // namespace bx
