// Verifying an installation: whatever its post said, Bitrix24 is asked.
#pragma once

#include "sync/context.h"

namespace bx {

// Asks whose the tokens of the pending installation KNOWN are (app.info at the authorization
// server), has them renewed once, which proves the secret of the block, and asks the portal whether
// they are an administrator's (profile).  When all of that fits it becomes active.  In no block it
// is kept for a person where an `app` block without client_id stands.  What is not what its post
// said is erased; what cannot be told yet is left to be tried again.  Throws StoreError, and Error
// when no process can be started.
ChoreEnd verify(const SyncContext& context, const InstallationWithTokens& known);

// Of an active installation without application_token: the post among those held for it whose
// access token is the same application's, of the stored user or an administrator, sets it.  What
// came with a token of somebody else is erased.  The newest are asked about first, ten at most, five
// a second, and none is begun when adopting_lasts is over; where no answer comes, the others wait
// too.  Throws as verify().
constexpr Millis adopting_lasts = minute;
ChoreEnd adopt_application_token(const SyncContext& context, const InstallationWithTokens& known);

}  // namespace bx
