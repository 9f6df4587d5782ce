// A sample of an event, as Bitrix24 would send it from a portal of the config.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/form_fields.h"
#include "config/config.h"

namespace bx {

// The portal that the event comes from: the one whose domain or member_id is NAME, the first when
// NAME is empty.  When none is configured, an invented one, which only the store takes.  Throws
// Error when there is none of that name.
Portal sender(const Config& config, const std::string& name);

// A sample of the event CODE from PORTAL, sent at NOW; keys and order are those of Bitrix24.  Of an
// unknown event, which is remarked, the entity's id alone.
FormFields sample_form(const std::string& code, const Portal& portal, Millis now);

}  // namespace bx
