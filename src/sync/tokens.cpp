#include "sync/tokens.h"

namespace bx {

namespace {

// What the store has by now.
GoodTokens read(Installations& store, InstallationId id) {
    GoodTokens tokens;
    std::optional<InstallationWithTokens> known = store.find(id);
    if (!known || known->installation.state == InstallationState::gone) {
        tokens.result = {RestCause::not_installed, "the application was uninstalled", false};
    } else if (known->installation.state == InstallationState::broken) {
        tokens.result = {RestCause::bad_grant, known->installation.problem, false};
    } else if (known->installation.state == InstallationState::pending) {
        tokens.result = {RestCause::no_authorization, "it is not verified yet", false};
    }
    if (known) tokens.known = std::move(*known);
    return tokens;
}

GoodTokens renewed(Installations& store, const std::string& config_path,
                   const InstallationWithTokens& used, bool rejected, RenewalWait wait) {
    const RenewalOrder order{.id = used.installation.id,
                           .seen = used.installation.renewed_at.value_or(0),
                           .rejected = rejected};
    const RestResult result = renew_apart(config_path, order, wait);
    GoodTokens tokens = read(store, used.installation.id);
    if (!result.succeeded()) tokens.result = result;
    return tokens;
}

}  // namespace

GoodTokens good_tokens(Installations& store, const std::string& config_path, InstallationId id,
                       Millis min_left, RenewalWait wait) {
    GoodTokens tokens = read(store, id);
    const bool lasts = tokens.known.tokens.expires_at >= wall_now() + min_left;
    if (!tokens.result.succeeded() || lasts) return tokens;
    return renewed(store, config_path, tokens.known, false, wait);
}

GoodTokens other_tokens(Installations& store, const std::string& config_path,
                        const InstallationWithTokens& used, RenewalWait wait) {
    GoodTokens tokens = read(store, used.installation.id);
    const bool changed = tokens.known.tokens.access != used.tokens.access;
    if (!tokens.result.succeeded() || changed) return tokens;
    return renewed(store, config_path, used, true, wait);
}

}  // namespace bx
