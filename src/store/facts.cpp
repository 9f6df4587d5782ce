#include "store/facts.h"

#include <algorithm>

#include "base/text.h"
#include "store/errors.h"
#include "store/words.h"

namespace bx {

namespace {

std::string_view take_fact(std::string_view& packed) {
    const std::optional<std::string_view> word = take_word(packed);
    if (!word) throw StoreDamaged("its facts are damaged");
    return *word;
}

}  // namespace

std::optional<std::int64_t> ts_number(std::string_view ts) {
    if (ts.starts_with('0') && ts != "0") return std::nullopt;
    return parse_number(ts);
}

std::string pack_facts(const EventFacts& facts) {
    std::string packed;
    for (const std::string* word :
         {&facts.code, &facts.kind, &facts.id, &facts.user_id, &facts.handler_id}) {
        append_word(packed, *word);
    }
    if (!facts.ts.empty() && !ts_number(facts.ts)) append_word(packed, facts.ts);
    return packed;
}

void unpack_facts(std::string_view packed, std::optional<std::int64_t> ts, EventFacts& facts) {
    for (std::string* word :
         {&facts.code, &facts.kind, &facts.id, &facts.user_id, &facts.handler_id}) {
        *word = take_fact(packed);
    }
    if (ts) facts.ts = std::to_string(*ts);
    if (!packed.empty()) facts.ts = take_fact(packed);
}

std::string_view packed_code(std::string_view packed) {
    return take_word(packed).value_or(std::string_view());
}

std::string pack_refusals(const std::vector<Refusal>& refused) {
    std::string packed;
    for (const Refusal& refusal : refused) {
        append_word(packed, refusal.hook);
        append_word(packed, refusal.reason);
        packed += static_cast<char>(refusal.rule);
    }
    return packed;
}

std::vector<Refusal> unpack_refusals(std::string_view packed) {
    std::vector<Refusal> refused;
    while (!packed.empty()) {
        const auto hook = take_word(packed);
        const auto reason = take_word(packed);
        if (!hook || !reason || packed.empty()) break;
        refused.push_back({std::string(*hook), std::string(*reason),
                           static_cast<HookRule>(packed.front())});
        packed.remove_prefix(1);
    }
    std::ranges::sort(refused, {}, &Refusal::hook);
    return refused;
}

}  // namespace bx
