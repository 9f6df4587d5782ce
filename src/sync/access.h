// The rights that `call` has: an installation's tokens, which are renewed, and what lasts as it is.
#pragma once

#include <string>

#include "rest/caller.h"
#include "store/installations.h"

namespace bx {

// The tokens of an active installation, good and renewed as sync/tokens.h says.
class InstallationAccess final : public Access {
public:
    // STORE outlives it; CONFIG_PATH: of the configuration that a renewal works with.
    // STARTS_ANYWAY: as of RenewalWait.
    InstallationAccess(Installations& store, std::string config_path, InstallationId id,
                       bool starts_anyway = true);

    GivenGrant grant(Millis end) override;
    GivenGrant renewed(RestCause cause, Millis end) override;

private:
    Installations& store_;
    std::string config_path_;
    InstallationId id_;
    bool starts_anyway_;
    InstallationWithTokens used_{};
};

// A webhook, or the token that came with an event.
class LastingAccess final : public Access {
public:
    explicit LastingAccess(Grant grant) : grant_(std::move(grant)) {}

    GivenGrant grant(Millis) override { return {{}, grant_}; }
    GivenGrant renewed(RestCause cause, Millis) override { return {{cause, ""}, grant_}; }

private:
    Grant grant_;
};

}  // namespace bx
