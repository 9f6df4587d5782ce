// A renewal as a process of its own.
#pragma once

#include <string>

#include "sync/renewal.h"

namespace bx {

// Has such a process do renew() with the configuration at CONFIG_PATH, and waits for it, 55 s at
// most; it goes on when whoever started it ends.  Safe in a process with threads.  Throws Error
// when it cannot be started.
RestResult renew_apart(const std::string& config_path, const RenewalOrder& order);

// How that process says what came of it, on its standard output, and back.
std::string renewal_report(const RestResult& result);
RestResult read_renewal_report(const std::string& report);

}  // namespace bx
