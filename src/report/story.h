// What happened to one event: what came, what was decided, what its hooks did.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "form/tree.h"
#include "store/records.h"
#include "store/view.h"

namespace bx {

struct DeliveryStory {
    DeliveryRecord record;
    std::vector<AttemptRecord> attempts;  // oldest first
};

struct Story {
    StoredEvent event;  // `damage` also where the body does not decode
    Tree body;          // empty where it cannot be read
    std::vector<DeliveryStory> deliveries;  // by hook
    bool masked = false;                    // the body has secrets, shown as ***
};

// The event NUMBER.  Throws Error when there is none.
StoredEvent stored_event(View& view, EventNumber number);

// The event of NAME with all its deliveries, or with that of NAME.hook alone.  In the body secrets
// are *** unless WITH_SECRETS; erased ones are missing.  Throws Error when there is no such event
// or delivery.
Story read_story(View& view, const DeliveryName& name, bool with_secrets);

// A line of a page: a label and what it tells, printable.  Without a label it is a sentence.
struct Fact {
    std::string label;
    std::string text;
};

// Who sent the event and what it is about.
std::vector<Fact> facts_of(const StoredEvent& event, Millis now);
// What was decided, and why: the reason of a skip, which hooks matched and which did not; whether
// it is matched again.
std::vector<Fact> decision_of(const Story& story, Millis now);

// What to add to the reason of a delivery that died with attempts left, because its hook said so
// by the exit status; empty for others.
std::string_view why_given_up(const DeliveryRecord& delivery);

// A scalar of a body.
struct BodyValue {
    // Dotted, as `when` and `unless` take it ("data.FIELDS.ID"); printable(), for a long key would
    // be held once for each value below it.
    std::string path;
    std::string_view text;  // as it came
};

// Every scalar of BODY in order, while BODY lives.
std::vector<BodyValue> values_of(const Tree& body);

}  // namespace bx
