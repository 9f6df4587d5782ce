// Tokens that are good, for whoever calls Bitrix24 with them.
#pragma once

#include <string>

#include "base/clock.h"
#include "rest/oauth.h"
#include "store/installations.h"
#include "sync/renewal_process.h"

namespace bx {

// Those that have less than this left are renewed before they are used.
constexpr Millis least_left = minute;

struct GoodTokens {
    RestResult result;  // of a failure: why there are none
    InstallationWithTokens known;
};

// The tokens of the active installation ID, good for MIN_LEFT (least_left to 50 min) at least:
// renewed by a process of its own, with the configuration at CONFIG_PATH, where they are not
// (sync/renewal_process.h).  Throws StoreError, and Error when no process can be started.
GoodTokens good_tokens(Installations& store, const std::string& config_path, InstallationId id,
                       Millis min_left = least_left, RenewalWait wait = {});

// The same after the portal refused USED's with expired_token: others than these.
GoodTokens other_tokens(Installations& store, const std::string& config_path,
                        const InstallationWithTokens& used, RenewalWait wait = {});

}  // namespace bx
