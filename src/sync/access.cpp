#include "sync/access.h"

#include <utility>

#include "sync/tokens.h"

namespace bx {

namespace {

GivenGrant given(GoodTokens tokens, InstallationWithTokens& used) {
    if (tokens.result.succeeded() && tokens.known.installation.client_endpoint.empty()) {
        tokens.result = {RestCause::no_authorization, "its address is not known yet"};
    }
    used = std::move(tokens.known);
    return {std::move(tokens.result),
            {Right::application, used.installation.client_endpoint, used.tokens.access}};
}

}  // namespace

InstallationAccess::InstallationAccess(Installations& store, std::string config_path,
                                       InstallationId id, bool starts_anyway)
    : store_(store), config_path_(std::move(config_path)), id_(id), starts_anyway_(starts_anyway) {}

GivenGrant InstallationAccess::grant(Millis end) {
    return given(good_tokens(store_, config_path_, id_, least_left, {end, starts_anyway_}), used_);
}

GivenGrant InstallationAccess::renewed(RestCause, Millis end) {
    return given(other_tokens(store_, config_path_, used_, {end, starts_anyway_}), used_);
}

}  // namespace bx
