#include "store/outcomes.h"

#include <algorithm>

namespace bx {

namespace {

using Reason = Outcome::Reason;

// Events that a person's request may note as left behind, in the store's one transaction.
constexpr std::int64_t passed_at_most = 5000;

// "1042/crm-sync is merged into 1043"
std::string state_text(const Outcome& outcome) {
    std::string text = to_string(outcome.name) + " is " + std::string(name_of(outcome.state));
    if (outcome.merged_into) text += " into " + std::to_string(*outcome.merged_into);
    return text;
}

// "1042/crm-sync is dead; it runs no more: ..."
std::string dead_text(const DeliveryName& name) {
    return to_string(name) + " is dead; it runs no more: 'bxhook retry " + to_string(name) +
           "' runs it again; `status` leaves it out an hour after it died, and it is deleted when "
           "`retention` says";
}

std::string running_text(const Outcome& outcome) {
    std::string text;
    for (const std::string& hook : outcome.running) {
        text += (text.empty() ? "" : "; ") + to_string({outcome.name.event, hook}) +
                " is running (--kill ends it)";
    }
    return text;
}

Outcome outcome_for(const RequestFacts& facts, Reason reason) {
    Outcome outcome;
    outcome.reason = reason;
    outcome.name = facts.name;
    outcome.event = facts.event.value_or(EventState::fresh);
    outcome.chosen = facts.chosen;
    return outcome;
}

// Of what was done.
std::string remark_on(const Outcome& outcome) {
    std::string text;
    if (outcome.blocked_by) {
        text = "it still waits for " + to_string({*outcome.blocked_by, outcome.name.hook});
    }
    if (outcome.secrets_erased) {
        text += std::string(text.empty() ? "" : ", ") + "without tokens (already erased)";
    }
    return text;
}

// The one delivery named, or all of the event's, for which REASON is the word.
Outcome refused_by_state(const RequestFacts& facts, Reason reason) {
    if (facts.name.hook.empty()) {
        Outcome outcome = outcome_for(facts, reason);
        const auto dead = std::ranges::find(facts.deliveries, DeliveryState::dead,
                                            &RequestFacts::Delivery::state);
        if (dead != facts.deliveries.end()) outcome.dead = dead->hook;
        return outcome;
    }
    Outcome outcome = outcome_for(facts, Reason::in_state);
    outcome.state = facts.deliveries.front().state;
    outcome.merged_into = facts.deliveries.front().merged_into;
    return outcome;
}

bool is_as_chosen(const RequestFacts& facts, RowState chosen) {
    if (is_of_event(chosen)) return facts.event == event_state(chosen);
    return !facts.deliveries.empty() && facts.deliveries.front().state == delivery_state(chosen);
}

// What no request can do anything with; none: there is an event, and in a matched one a delivery,
// in the state that it was chosen by.
std::optional<Outcome> refuse_missing(const RequestFacts& facts) {
    if (facts.chosen && !is_as_chosen(facts, *facts.chosen)) {
        return outcome_for(facts, Reason::left_state);
    }
    if (!facts.event) return outcome_for(facts, Reason::no_event);
    const bool matched = facts.event == EventState::matched;
    if (matched ? facts.deliveries.empty() : !facts.name.hook.empty()) {
        return outcome_for(facts, Reason::no_delivery);
    }
    return std::nullopt;
}

}  // namespace

std::string no_event(EventNumber event) { return "there is no event " + std::to_string(event); }

std::string no_delivery(EventNumber event, const std::string& hook, EventState state) {
    const std::string number = std::to_string(event);
    const std::string text = "there is no delivery " + to_string({event, hook});
    switch (state) {
        case EventState::matched: break;
        case EventState::fresh: return text + ": no worker has matched event " + number + " yet";
        case EventState::skipped:
            return text + ": no hook took event " + number + ", 'bxhook show " + number +
                   "' shows why";
    }
    return text;
}

std::string text_of(const Outcome& outcome) {
    const std::string number = std::to_string(outcome.name.event);
    switch (outcome.reason) {
        case Reason::done: return remark_on(outcome);
        case Reason::no_event: return no_event(outcome.name.event);
        case Reason::no_delivery:
            return no_delivery(outcome.name.event, outcome.name.hook, outcome.event);
        case Reason::still_new: return number + " is new, the worker takes it next";
        case Reason::behind_new:
            return number + " comes after more than " + std::to_string(passed_at_most) +
                   " new events: try again when a worker has matched those";
        case Reason::is_skipped: return number + " is skipped";
        case Reason::in_state:
            return outcome.state == DeliveryState::dead ? dead_text(outcome.name)
                                                        : state_text(outcome);
        case Reason::none_to_retry:
            return number + " has no dead, cancelled or waiting delivery (a done one is retried by "
                            "its name: " + number + "/HOOK)";
        case Reason::none_to_cancel:
            return number + " has no waiting delivery" +
                   (outcome.dead.empty() ? "" : ", " + dead_text({outcome.name.event, outcome.dead}));
        case Reason::some_run: return running_text(outcome);
        case Reason::left_state:
            return to_string(outcome.name) + " is not " +
                   std::string(name_of(outcome.chosen.value_or(RowState::fresh))) + " any more";
        case Reason::changed: return to_string(outcome.name) + " changed meanwhile: try it again";
    }
    return {};
}

bool is_retried(DeliveryState state, const DeliveryName& name) {
    const bool by_name = !name.hook.empty();
    return state == DeliveryState::dead || state == DeliveryState::cancelled ||
           state == DeliveryState::waiting || (by_name && state == DeliveryState::done);
}

Outcome judge_retry(const RequestFacts& facts) {
    if (std::optional<Outcome> refusal = refuse_missing(facts)) return *std::move(refusal);
    if (facts.event == EventState::fresh) return outcome_for(facts, Reason::still_new);
    Outcome outcome = outcome_for(facts, Reason::done);
    outcome.secrets_erased = facts.secrets_erased;
    outcome.count = facts.event == EventState::skipped ? 1 : 0;
    for (const RequestFacts::Delivery& delivery : facts.deliveries) {
        if (is_retried(delivery.state, facts.name)) ++outcome.count;
    }
    if (outcome.count > 0 && !facts.name.hook.empty()) {
        outcome.blocked_by = facts.deliveries.front().blocked_by;
    }
    return outcome.count > 0 ? outcome : refused_by_state(facts, Reason::none_to_retry);
}

Outcome judge_deliver(const RequestFacts& facts) {
    if (!facts.event) return outcome_for(facts, Reason::no_event);
    if (facts.event == EventState::fresh) return outcome_for(facts, Reason::still_new);
    if (!facts.deliveries.empty()) return refused_by_state(facts, Reason::in_state);
    if (facts.unmatched_before > passed_at_most) return outcome_for(facts, Reason::behind_new);
    Outcome outcome = outcome_for(facts, Reason::done);
    outcome.secrets_erased = facts.secrets_erased;
    outcome.count = 1;
    return outcome;
}

Outcome judge_cancel(const RequestFacts& facts, bool kill) {
    if (std::optional<Outcome> refusal = refuse_missing(facts)) return *std::move(refusal);
    if (facts.event == EventState::skipped && !facts.retryable) {
        return outcome_for(facts, Reason::is_skipped);
    }
    Outcome outcome = outcome_for(facts, Reason::done);
    outcome.count = facts.event == EventState::matched ? 0 : 1;
    for (const RequestFacts::Delivery& delivery : facts.deliveries) {
        const bool runs = delivery.state == DeliveryState::running;
        if (delivery.state == DeliveryState::waiting || (runs && kill)) ++outcome.count;
        if (runs && !kill) outcome.running.push_back(delivery.hook);
    }
    if (!outcome.running.empty()) outcome.reason = Reason::some_run;
    if (outcome.count > 0 || !outcome.running.empty()) return outcome;
    return refused_by_state(facts, Reason::none_to_cancel);
}

}  // namespace bx
