// What comes of a person's request about an event or its deliveries (retry, deliver, cancel): the
// rules that say what is refused, and the one wording of it.  A store reads the facts, asks a rule,
// and does what it allows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/records.h"

namespace bx {

struct Outcome {
    enum class Reason {
        done,
        no_event,
        no_delivery,     // `event` says why
        still_new,       // a worker matches it next, whatever is asked for it
        behind_new,      // it would be matched before thousands that are new, in one transaction
        is_skipped,      // for good: it has nothing to cancel
        in_state,        // the one delivery named is in `state`, and stays so
        none_to_retry,   // no delivery is dead or cancelled, or waits
        none_to_cancel,  // no delivery waits
        some_run,        // those of `running`, which only `kill` ends; `count` others are changed
        left_state,      // it is not in the state any more that it was `chosen` by
        changed,         // others were faster, again and again
    };
    Reason reason = Reason::done;
    DeliveryName name;                             // as the request has it
    std::int64_t count = 0;                        // deliveries changed; 1 for an event alone
    EventState event = EventState::fresh;
    DeliveryState state = DeliveryState::waiting;
    std::optional<EventNumber> merged_into{};
    std::vector<std::string> running{};            // hooks
    std::string dead{};                            // a hook whose delivery of the event is dead
    bool secrets_erased = false;                   // hooks get the event without them
    std::optional<EventNumber> blocked_by{};       // the one delivery named waits for this one
    std::optional<RowState> chosen{};              // as the request has it

    bool done() const { return reason == Reason::done; }
};

// Why it was not done: "1042/crm-sync is running".  Of one that was done a remark, mostly empty.
std::string text_of(const Outcome& outcome);

// "there is no event 1042"
std::string no_event(EventNumber event);
// "there is no delivery 1042/crm-sync", and of an event in STATE new or skipped why it has none.
std::string no_delivery(EventNumber event, const std::string& hook, EventState state);

// The facts of one moment that a request about NAME is judged by.
struct RequestFacts {
    struct Delivery {
        std::string hook;
        DeliveryState state = DeliveryState::waiting;
        std::optional<EventNumber> merged_into{};
        std::optional<EventNumber> blocked_by{};
    };
    DeliveryName name;
    std::optional<RowState> chosen{};      // the state that it was in when it was chosen
    std::optional<EventState> event{};     // none: there is no such event
    bool retryable = false;                // skipped, to be matched again
    bool secrets_erased = false;
    std::int64_t unmatched_before = 0;     // of a skipped event: numbers that no worker has come to
    std::vector<Delivery> deliveries{};    // of a matched event: those that `name` names, by hook
};

// What is to come of the request.  Where `count` is 0 nothing is to be changed.
//
// `retry`: all deliveries that is_retried, of which those that wait are only made due, or a skipped
// event, which becomes new.
Outcome judge_retry(const RequestFacts& facts);
bool is_retried(DeliveryState state, const DeliveryName& name);
// A delivery of the hook that `name` has, which must not have one: of a matched event or a skipped
// one.
Outcome judge_deliver(const RequestFacts& facts);
// `cancel`: what waits, with KILL what runs too, or a new event, which becomes skipped, or a skipped
// one that was to be matched again.
Outcome judge_cancel(const RequestFacts& facts, bool kill);

}  // namespace bx
