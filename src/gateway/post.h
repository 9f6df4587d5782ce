// A decoded post and what is known of its sender before installations are looked up (settle.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "event/gate.h"
#include "event/install_post.h"
#include "event/kinds.h"
#include "event/payload.h"
#include "gateway/refusal.h"
#include "store/installation.h"
#include "store/records.h"

namespace bx {

struct Post {
    enum class Kind { event, install, page };

    Kind kind = Kind::event;
    NewEvent event;  // facts as sent; of a page, the ONAPPINSTALL that it may become
    // SHA-256 of its application_token, or of a page's key; empty: nothing is looked up.
    std::string token;
    std::string peer;
    std::size_t size = 0;  // of the body that was sent, in bytes

    // What the configuration says of the sender (event/gate.h).  Of a page it says nothing.
    GateVerdict verdict = GateVerdict::token_wrong;
    bool known = false;
    bool renamed = false;
    bool anyone = false;
    std::string member_id;  // of the sender's block, as GateResult::sender
    std::string domain;

    // It came by a key, whose portal is known by its domain alone: an installation may have the
    // member_id.
    bool names_domain_alone = false;
    // Its sender waits for an answer: whatever its token proves it is refused.  Null: it does not.
    const KindSpec* waits = nullptr;

    // Of an ONAPPINSTALL, a page, and whatever offers a refresh token.
    PostedTokens tokens{};
    // What an installation's event has in place of EVENT's: without refresh tokens, whose chain is
    // kept here.
    std::optional<Payload> bare{};
    bool by_auth_id = false;  // of a page: TOKEN is of its AUTH_ID
    bool is_default = false;  // of a page: PLACEMENT=DEFAULT
};

// The member_id of the post with a wrong token that `check --url` sends.
inline constexpr std::string_view probe_member_id = "check";

// 403: what the sender is not, said for whoever looks for a mistyped portal.
RequestRefusal refusal_of(GateVerdict verdict, bool known, const EventFacts& facts);

// 400: of KIND, whose sender waits for an answer.
RequestRefusal refusal_of(const KindSpec& kind);

}  // namespace bx
