#include "report/story.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/escape.h"
#include "event/payload.h"
#include "report/wording.h"
#include "store/outcomes.h"

namespace bx {

namespace {

void read_body(Story& story, bool with_secrets) {
    StoredEvent& event = story.event;
    Secrets secrets = with_secrets ? Secrets::keep : Secrets::hide;
    if (event.secrets_erased || (with_secrets && !event.damage.empty())) secrets = Secrets::omit;
    try {
        if (event.body.empty()) return;  // missing
        story.body = decode_payload(event.body, event.secrets, secrets);
        story.masked = secrets == Secrets::hide && !event.secrets.empty();
    } catch (const Error& error) {
        event.damage = error.what();
    }
}

// As worker/rematch.cpp does it: by itself only what came within a day.
std::string second_chance_of(const StoredEvent& event, Millis now) {
    const std::string by_hand = "'bxhook retry " + std::to_string(event.number) + "'";
    if (now - event.received_at > day) {
        return "it is over a day old, so only " + by_hand + " matches it again";
    }
    return "it is matched again by itself, within seconds, when hooks or configuration change; " +
           by_hand + " does it now";
}

}  // namespace

StoredEvent stored_event(View& view, EventNumber number) {
    std::optional<StoredEvent> event = view.event(number);
    if (!event) throw Error(no_event(number));
    return std::move(*event);
}

Story read_story(View& view, const DeliveryName& name, bool with_secrets) {
    Story story{stored_event(view, name.event), Tree(), {}};
    read_body(story, with_secrets);
    for (const DeliveryRecord& record : view.deliveries(name.event)) {
        if (!name.hook.empty() && record.hook != name.hook) continue;
        story.deliveries.push_back({record, view.attempts(name.event, record.hook)});
    }
    if (!name.hook.empty() && story.deliveries.empty()) {
        throw Error(no_delivery(name.event, name.hook, story.event.state));
    }
    return story;
}

std::vector<Fact> facts_of(const StoredEvent& event, Millis now) {
    const EventFacts& facts = event.facts;
    const std::string kind = printable(facts.kind);
    const std::string without_id = kind.empty() ? "none" : kind + ", without id";
    std::vector<Fact> list{
        {"received", moment_text(event.received_at, now)},
        {"portal", printable(facts.domain)},
        {"member_id", printable(facts.member_id)},
        {"entity", facts.id.empty() ? without_id : kind + " " + printable(facts.id)},
        {"user", printable(facts.user_id)},
        {"handler", printable(facts.handler_id)},
        {"test", event.origin == Origin::test ? "made by bxhook trigger" : ""},
        {"origin", event.origin == Origin::self ? "made by bxhook itself" : ""}};
    std::erase_if(list, [](const Fact& fact) { return fact.text.empty(); });
    return list;
}

std::string_view why_given_up(const DeliveryRecord& delivery) {
    constexpr std::array<std::string_view, 4> permanent{"exit 65", "exit 77", "exit 78",
                                                        "exit 100"};
    const bool said = delivery.state == DeliveryState::dead &&
                      delivery.attempt < delivery.max_attempts &&
                      std::ranges::find(permanent, delivery.reason) != permanent.end();
    return said ? " (which means: do not try again)" : "";
}

std::vector<Fact> decision_of(const Story& story, Millis now) {
    const StoredEvent& event = story.event;
    std::vector<Fact> list;
    auto sentence = [&list](std::string text) { list.push_back({"", std::move(text)}); };
    if (event.state == EventState::fresh) {
        sentence("no worker has matched it yet ('bxhook status' shows whether one runs)");
    }
    if (!event.reason.empty()) list.push_back({"reason", printable(event.reason)});
    for (const DeliveryStory& delivery : story.deliveries) {
        sentence(delivery.record.hook + ": matched");
    }
    for (const Refusal& refusal : event.refused) {
        sentence(printable(refusal.hook) + ": " + printable(refusal.reason, 1000));
    }
    if (event.refused_more > 0) {
        sentence(std::to_string(event.refused_more) + " more hooks did not match");
    }
    if (event.retryable) sentence(second_chance_of(event, now));
    return list;
}

// One path for all of them: the sender chose how long it is.
std::vector<BodyValue> values_of(const Tree& body) {
    std::vector<BodyValue> values;
    std::string path;
    walk(
        body.root(), [&path](Value array) { path.append(array.key()) += '.'; },
        [&](Value scalar) {
            const std::size_t prefix = path.size();
            path += scalar.key();
            values.push_back({printable(path), scalar.text()});
            path.resize(prefix);
        },
        [&path](Value array) { path.resize(path.size() - array.key().size() - 1); });
    return values;
}

}  // namespace bx
