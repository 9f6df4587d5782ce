#include "store/facts.h"

#include <algorithm>

#include "base/text.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t more_follows = 0x80;  // in a byte of a length, of 7 bits each, the lowest first
constexpr int length_bytes = 5;

void append(std::string& out, std::string_view word) {
    std::size_t length = word.size();
    for (; length >= more_follows; length >>= 7) {
        out += static_cast<char>(more_follows | (length & (more_follows - 1)));
    }
    out += static_cast<char>(length);
    out += word;
}

// Takes the first word off PACKED; none: it is damaged.
std::optional<std::string_view> take(std::string_view& packed) {
    std::size_t length = 0;
    for (int i = 0; i < length_bytes && !packed.empty(); ++i) {
        const auto byte = static_cast<unsigned char>(packed.front());
        packed.remove_prefix(1);
        length |= (byte & (more_follows - 1)) << (7 * i);
        if (byte >= more_follows) continue;
        if (length > packed.size()) return std::nullopt;
        const std::string_view word = packed.substr(0, length);
        packed.remove_prefix(length);
        return word;
    }
    return std::nullopt;
}

std::string_view take_fact(std::string_view& packed) {
    const std::optional<std::string_view> word = take(packed);
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
        append(packed, *word);
    }
    if (!facts.ts.empty() && !ts_number(facts.ts)) append(packed, facts.ts);
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
    return take(packed).value_or(std::string_view());
}

std::string pack_refusals(const std::vector<Refusal>& refused) {
    std::string packed;
    for (const Refusal& refusal : refused) {
        append(packed, refusal.hook);
        append(packed, refusal.reason);
        packed += static_cast<char>(refusal.rule);
    }
    return packed;
}

std::vector<Refusal> unpack_refusals(std::string_view packed) {
    std::vector<Refusal> refused;
    while (!packed.empty()) {
        const auto hook = take(packed);
        const auto reason = take(packed);
        if (!hook || !reason || packed.empty()) break;
        refused.push_back({std::string(*hook), std::string(*reason),
                           static_cast<HookRule>(packed.front())});
        packed.remove_prefix(1);
    }
    std::ranges::sort(refused, {}, &Refusal::hook);
    return refused;
}

}  // namespace bx
