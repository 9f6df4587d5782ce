#include "worker/dead_events.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "event/own_events.h"
#include "event/payload.h"
#include "host/own_commands.h"
#include "store/errors.h"
#include "store/own_event.h"

namespace bx {

namespace {

constexpr Millis told_every = minute;  // of one hook
constexpr std::size_t most_told = 1000;  // that are looked at

// Whose deaths EVENT told.
std::string hook_of(const StoredEvent& event) {
    const std::vector<PayloadValue> body = list_payload(event.body, "", Secrets::omit);
    const PayloadValue* hook = find_value(body, "data.HOOK");
    return hook == nullptr ? "" : std::string(hook->text);
}

}  // namespace

void DeadEvents::note(std::span<const Finish> recorded) {
    for (const Finish& finish : recorded) {
        if (finish.next != DeliveryState::dead) continue;
        noted_.push_back({{finish.event, finish.hook},
                          finish.attempt,
                          finish.delivery_reason,
                          finish.ended_at});
    }
}

void DeadEvents::add_due(bool all) {
    if (!any() || !context_.live.config()) return;
    if (!context_.live.hooks().set().is_named(dead_code)) return forget_all();
    count_noted();
    std::optional<ToldOf> lately;
    for (auto& [hook, deaths] : hooks_) {
        if (deaths.count == 0 || (!all && !deaths.due.due(context_.now))) continue;
        if (!all && !lately) lately = told_lately();
        // By the worker of another host, or one before this.
        if (!all && (*lately)[hook] > deaths.told) {
            deaths.due.set(context_.now + told_every);
        } else {
            tell(deaths, all);
        }
    }
}

// The event of DEATH, without its body; none: the delivery is not dead by that run.  An end that comes
// late changes nothing: another worker had taken the run over, and a person may have had it repeated.
std::optional<StoredEvent> DeadEvents::event_of(const Death& death) {
    const EventNumber number = death.name.event;
    const std::vector<ListRow> rows = view_.list({.states = {RowState::dead},
                                                  .hooks = {death.name.hook},
                                                  .after = number - 1,
                                                  .beyond = DeliveryName{number + 1, ""},
                                                  .limit = 1});
    if (rows.empty()) return std::nullopt;
    const DeliveryRecord& delivery = *rows.front().delivery;
    const bool by_that = delivery.attempt == death.attempt && delivery.reason == death.reason;
    return by_that ? std::optional(rows.front().event) : std::nullopt;
}

// But for those of our own events: one of a hook that takes these and others.
void DeadEvents::count_noted() {
    for (; !noted_.empty(); noted_.pop_front()) {
        try {
            std::optional<StoredEvent> event = event_of(noted_.front());
            if (!event || is_own_code(event->facts.code)) continue;
            count(std::move(noted_.front()), std::move(*event));
        } catch (const StoreDamaged&) {
            // It cannot be read, now or later, and must not hold up the others.
        }
    }
}

void DeadEvents::count(Death death, StoredEvent event) {
    Deaths& deaths = hooks_[death.name.hook];
    ++counted_;
    if (++deaths.count > 1) return;
    deaths.first = std::move(death);
    deaths.event = std::move(event);
    // A worker that leaves when all is done tells at its end.
    const Millis at_least = context_.options.once ? context_.now + told_every : context_.now;
    deaths.due.set(std::max(deaths.due.next(), at_least));
}

// The newest event of the last minute that tells of a hook, of each.
DeadEvents::ToldOf DeadEvents::told_lately() {
    ToldOf told;
    const ListFilter recent{.code_glob = std::string(dead_code),
                            .from = wall_now() - told_every,
                            .limit = most_told};
    for (const ListRow& row : view_.list(recent)) {
        if (row.event.origin != Origin::self) continue;
        const std::optional<StoredEvent> event = view_.event(row.event.number);
        if (!event || !event->damage.empty()) continue;
        EventNumber& newest = told[hook_of(*event)];
        newest = std::max(newest, row.event.number);
    }
    return told;
}

void DeadEvents::tell(Deaths& deaths, bool last) {
    const Death& first = deaths.first;
    const StoredEvent& event = deaths.event;
    const std::string name = to_string(first.name);
    const std::array<std::pair<std::string_view, std::string>, 8> data{{
        {"HOOK", first.name.hook},
        {"COUNT", std::to_string(deaths.count)},
        {"DELIVERY", name},
        {"REASON", first.reason},
        {"SINCE", iso_time(first.at)},
        {"EVENT", event.facts.code},
        {"ENTITY", event.facts.id},
        {"FIX", OwnCommands().line("show " + name)},
    }};
    const NewEvent told =
        own_event(dead_code, data,
                  {event.facts.domain, event.facts.member_id, event.installation}, wall_now());
    const std::int64_t limit = own_event_limit(context_.live.config()->limits.queue);
    const auto added = sink_.add({&told, 1}, limit);
    deaths.due.set(context_.now + told_every);
    if (added.front()) {
        deaths.told = *added.front();
        context_.log.info("told of dead deliveries", {{"event", *added.front()},
                                                      {"hook", first.name.hook},
                                                      {"count", deaths.count}});
        context_.more = context_.progress = true;
    } else if (!last) {
        return;  // it is told with those that die until there is room
    }
    forget(deaths);
}

void DeadEvents::forget(Deaths& deaths) {
    counted_ -= deaths.count;
    deaths.count = 0;
}

void DeadEvents::forget_all() {
    noted_.clear();
    for (auto& [hook, deaths] : hooks_) forget(deaths);
}

Millis DeadEvents::next() const {
    Millis next = noted_.empty() ? Timer::never : 0;
    for (const auto& [hook, deaths] : hooks_) {
        if (deaths.count > 0) next = std::min(next, deaths.due.next());
    }
    return next;
}

}  // namespace bx
