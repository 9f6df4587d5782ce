#include "store/own_event.h"

#include <utility>

#include "event/payload.h"

namespace bx {

NewEvent own_event(std::string_view code, OwnEventData data, const OwnEventPortal& portal,
                   Millis now) {
    const Tree body = own_event_body(code, data, portal.domain, portal.member_id, now);
    Payload payload = encode_payload(body);
    NewEvent event;
    event.facts = read_event(body);
    event.origin = Origin::self;
    event.received_at = now;
    event.body = std::move(payload.body);
    event.secrets = std::move(payload.secrets);
    event.installation = portal.installation;
    return event;
}

std::int64_t own_event_limit(std::int64_t limit) { return limit / 10 * 8 + limit % 10 * 8 / 10; }

}  // namespace bx
