// libFuzzer: what a form says it is.  By a token or by a key it has a code, a kind and an id that a
// store and a hook's environment take, or is refused.
#include <algorithm>

#include "base/text.h"
#include "event/kinds.h"
#include "form/form.h"
#include "invariants.h"

namespace {

void check(const bx::EventFacts& facts, bool may_have_none) {
    const auto is_code_byte = [](char c) {
        return (c >= 'A' && c <= 'Z') || bx::is_digit(c) || c == '.' || c == '_' || c == '-';
    };
    bx::require(may_have_none || !facts.code.empty());
    bx::require(facts.code.size() <= 255 && std::ranges::all_of(facts.code, is_code_byte));
    bx::require(facts.id.size() <= 255);
    if (bx::is_reserved_code(facts.code)) bx::require(facts.kind.size() <= 255);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    try {
        const bx::Tree body =
            bx::decode_urlencoded({reinterpret_cast<const char*>(data), size}, {});
        bx::checked_json(body);
        const bx::KindSpec& kind = bx::kind_of_post(body);
        try {
            const bx::EventFacts facts = bx::read_keyed(body, kind, "site-form");
            check(facts, false);
            bx::require(bx::is_posts_code(facts.code) && facts.member_id.empty() &&
                        facts.domain.empty() && facts.user_id.empty());
        } catch (const bx::BadEvent&) {
            bx::require(kind.kind == bx::PostKind::sms);  // whose code is its own
        }
        const bx::EventFacts facts = bx::read_event(body);
        check(facts, kind.sender_waits);
        if (kind.kind == bx::PostKind::event) bx::check_posted_code(facts.code);
        bx::require(bx::is_reserved_code(facts.code) == !kind.prefix.empty());
    } catch (const bx::FormError&) {
    } catch (const bx::BadEvent&) {
    }
    return 0;
}
