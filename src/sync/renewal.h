// Renewing the tokens of an installation.
//
// A refresh token is spent by its use, and between the server's answer and our commit the new one
// exists nowhere else.  So one renews at a time, by a lease on the row, and in a process of its
// own, which ends neither with the hook whose `call` needs a token nor with the worker.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "rest/oauth.h"
#include "store/installations.h"

namespace bx {

// Which tokens are to be renewed.
struct RenewalOrder {
    InstallationId id = 0;
    // Installation::renewed_at of those that are of no use any more, 0 for none: when the store has
    // newer ones there is nothing to do.
    Millis seen = 0;
    // The portal said expired_token, although they should be good still: not twice within 10 min.
    bool rejected = false;
    // Of one that is not verified: the application it is said to be of, and the authorization
    // server that knows it; empty: as the installation says.  A broken one is renewed
    // only where the application is said: a person has brought other tokens.
    std::string client_id{};
    std::string server{};
};

// The server knows whose the tokens are, and refuses them: another try is of no use before somebody
// has changed something.  Of these bad_grant alone is for good: the refresh token is spent or too
// old.  With the others it is not, and may be taken again: the application is switched on, paid
// for, or open to its user once more.
bool is_refused(RestCause cause);

// Does it here, for the process of its own.  Waits 20 s at most for another that renews, and for a
// store that is away; then the server has 20 s, where both known ones are asked the first 10 s, and
// what is left of the lease's 45 s is for the commit.  On success the store has tokens that are
// good, newer than ORDER.seen, and the server that gave them, which alone is asked from then on.
// What every server asked refuses is shown; it is tried again in a day, or, where it is for good,
// breaks the installation down.  Throws StoreError when the store fails before a server was asked.
RestResult renew(Installations& store, const Config& config, const RenewalOrder& order);

}  // namespace bx
