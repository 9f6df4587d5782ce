#include "gateway/post.h"

#include <array>

namespace bx {

// A mistyped domain or member_id of a portal block is seen by the portal alone, so both are said as
// they were sent.  Both texts cost the same: the sender learns nothing from the time either.
RequestRefusal refusal_of(GateVerdict verdict, bool known, const EventFacts& facts) {
    constexpr std::array portal{", unknown portal '", ", sent by portal '"};
    std::string reason =
        std::string(describe(verdict)) + portal[known ? 1 : 0] + facts.portal() + "'";
    if (!facts.domain.empty() && !facts.member_id.empty()) {
        reason += ", member_id '" + facts.member_id + "'";
    }
    return {RefusalCode::invalid_application_token, std::move(reason),
            !known && facts.member_id == probe_member_id && facts.domain.empty()};
}

RequestRefusal refusal_of(const KindSpec& kind) {
    return {RefusalCode::malformed, "a post of " + std::string(kind.name) +
                                        ": its sender reads the answer, and a hook runs too late "
                                        "to answer"};
}

}  // namespace bx
