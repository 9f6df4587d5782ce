// What would come of an event, without storing it or running anything.
#pragma once

#include <string>

#include "config/config.h"
#include "form/tree.h"
#include "store/records.h"

namespace bx {

// Its body, which of CONFIG's hooks match and why, and what each would be started with.  BODY is
// the decoded body of EVENT.  Secrets are ***.
std::string dry_run_text(const Tree& body, const NewEvent& event, const Config& config);

}  // namespace bx
