// What comes by POST, told by its fields: one table.
#pragma once

#include <string>
#include <string_view>

#include "event/event.h"
#include "form/tree.h"

namespace bx {

enum class PostKind {
    page,           // of an application, in the browser of a user
    settings,       // the wizard of an application's settings
    event,
    robot,          // or an activity of a workflow
    sms,            // to be sent
    webhook_robot,  // CRM's own, which sends a document and nothing else
    pay_system,
    cashbox,
    delivery,
    ai,
    bi,
    other,
};

struct KindSpec {
    PostKind kind;
    std::string_view name;      // for people: "a robot or activity"
    bool (*is)(Value body);     // told by
    bool sender_waits = false;  // its sender reads the answer, for which a hook runs too late
    // Of the codes of its events, "ROBOT."; empty: what its token proves has no code of its own.
    std::string_view prefix = {};
};

// The kind of BODY: the first that it is.
const KindSpec& kind_of_post(const Tree& body);

// CODE begins, in any case, as those do that Bitrix24 has none of: BXHOOK. ROBOT. SMS. WEBHOOK. POST.
// A posted `event` never may.
bool is_reserved_code(std::string_view code);
// Throws BadEvent when CODE, of a posted `event`, is such a one.
void check_posted_code(std::string_view code);

// CODE, in any case, may be that of a post: such a beginning but BXHOOK., and what follows it.
bool is_posts_code(std::string_view code);
// NAME of WEBHOOK.NAME and POST.NAME, in any case; empty of every other CODE.
std::string_view post_name_of(std::string_view code);

// CODE, in upper case, is of a robot or an SMS: "ROBOT.MY_ROBOT".
bool has_properties(std::string_view code);

// "ROBOT." and TEXT in upper case, bytes outside [A-Z0-9._-] as '_'.  Throws BadEvent when that is
// over 255 bytes.
std::string make_code(std::string_view prefix, std::string_view text);

// The code of BODY, which is of SPEC that has a prefix.  Throws BadEvent when it has none.
std::string read_own_code(Value body, const KindSpec& spec);

// Sets kind and id of FACTS: of robots and CRM's webhook robot those of the entity that document_id
// names, DEAL_7303 as ONCRMDEAL 7303 and DYNAMIC_31_5 as ONCRMDYNAMICITEM_31 5, so that they share
// the lane of its events; of an SMS its message_id.  Empty where there is none.
void set_entity(EventFacts& facts, PostKind kind, Value body);

// What a post of SPEC says that came with the key of the post block NAME: its code is POST.NAME,
// WEBHOOK.NAME or of an SMS.  Who sent it is not read: the key says whose it is.  Throws BadEvent.
EventFacts read_keyed(const Tree& body, const KindSpec& spec, std::string_view name);

}  // namespace bx
