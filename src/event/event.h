// One event: a decoded body and what of it bxhook itself needs to know.
#pragma once

#include <string>

#include "base/error.h"
#include "form/tree.h"

namespace bx {

// The body is decoded but is not an event: answered 400.
class BadEvent : public Error {
public:
    using Error::Error;
};

// Empty: the event does not carry it.
struct EventFacts {
    std::string code;        // upper case, [A-Z0-9._-], at most 255 bytes
    std::string kind;        // of entity
    std::string id;          // of the entity; empty: the event has no lane
    std::string domain;      // of the sender: as sent, until the gate tells what the token proved
    std::string member_id;   // the same
    std::string user_id;
    std::string handler_id;
    std::string ts;

    // The portal as it is shown: the domain, without one the member_id.
    const std::string& portal() const { return domain.empty() ? member_id : domain; }
    // The portal of a lane: member_id, without one the domain in lower case.
    std::string lane_portal() const;
};

// Reads them from a decoded body that comes with an application_token, of whatever kind it is
// (kinds.h).  Throws BadEvent when `event` is missing where the kind has one, empty, over 255 bytes,
// has a byte outside [A-Za-z0-9._-] or begins as no event of Bitrix24 does; when a robot or an SMS
// has no code; when member_id or domain is over 255 bytes or has a byte outside [A-Za-z0-9._:-]; or
// when one of these is an array.
EventFacts read_event(const Tree& body);

// A portal's member_id or domain, a field called NAME; empty when it is missing.  Throws BadEvent as
// read_event does.
std::string read_portal_name(Value value, std::string_view name);

}  // namespace bx
