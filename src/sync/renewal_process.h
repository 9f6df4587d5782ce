// A renewal as a process of its own.
#pragma once

#include <string>

#include "sync/renewal.h"

namespace bx {

// What a renewal takes that waits for no other: 30 s of two servers, its start and the commit.
constexpr Millis renewal_takes = 35 * second;
// What is waited for one that waits for another first.
constexpr Millis renewal_waits = 55 * second;

// For how long one is waited for: renewal_waits at most.
struct RenewalWait {
    Millis until = 0;  // steady; 0: there is no end
    // One that could take longer than that is started all the same: it goes on, and whoever needs
    // tokens next has what it brought.
    bool starts_anyway = false;
};

// Has such a process do renew() with the configuration at CONFIG_PATH, and waits for it; it goes on
// when whoever started it ends.  Safe in a process with threads.  Throws Error when it cannot be
// started.
RestResult renew_apart(const std::string& config_path, const RenewalOrder& order,
                       RenewalWait wait = {});

// How that process says what came of it, on its standard output, and back.
std::string renewal_report(const RestResult& result);
RestResult read_renewal_report(const std::string& report);

}  // namespace bx
