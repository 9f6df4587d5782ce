#include "event/gate.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t unknown = 0;

// Time depends on the size of A alone, which is the same for every token.  The volatile keeps the
// compiler from leaving the loop early.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
    volatile unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto x = static_cast<unsigned char>(a[i]);
        auto y = static_cast<unsigned char>(b[i]);
        difference = difference | static_cast<unsigned>(x ^ y);
    }
    return difference == 0;
}

}  // namespace

std::string_view describe(GateVerdict verdict) {
    switch (verdict) {
        case GateVerdict::allowed: return "allowed";
        case GateVerdict::no_portal_configured: return "no portal configured";
        case GateVerdict::token_missing: return "token missing";
        case GateVerdict::token_repeated: return "token repeated";
        case GateVerdict::token_wrong: return "wrong token";
    }
    return "refused";
}

Gate::Gate(const std::vector<Portal>& portals) {
    std::size_t rounds = 1;
    for (const Portal& portal : portals) {
        rounds = std::max(rounds, portal.tokens.size());
        for (const std::string& token : portal.tokens) width_ = std::max(width_, token.size());
    }
    const Token dummy{std::string(width_, '\0'), no_length};
    entries_.push_back({"", std::vector<Token>(rounds, dummy)});
    for (const Portal& portal : portals) {
        Entry entry{lower(portal.domain), {}};
        for (const std::string& token : portal.tokens) {
            entry.tokens.push_back({token, token.size()});
            entry.tokens.back().bytes.resize(width_);
        }
        entry.tokens.resize(rounds, dummy);
        if (!portal.member_id.empty()) {
            by_member_id_.add(portal.member_id, entries_.size());
        } else if (!entry.domain.empty()) {
            by_domain_.add(entry.domain, entries_.size());
        } else {
            anyone_ = entries_.size();
        }
        entries_.push_back(std::move(entry));
    }
    by_member_id_.seal();
    by_domain_.seal();
}

GateVerdict Gate::check(const Tree& body) const {
    if (entries_.size() == 1) return GateVerdict::no_portal_configured;
    Value auth = body.root()["auth"];
    Value token = auth["application_token"];
    if (auth.rewritten() || token.rewritten()) return GateVerdict::token_repeated;
    if (!token.is_text()) return GateVerdict::token_missing;
    bool right = matches(entries_[entry_of(auth)], token.text());
    return right ? GateVerdict::allowed : GateVerdict::token_wrong;
}

bool Gate::knows(const Tree& body) const {
    return entry_of(body.root()["auth"]) != unknown;
}

bool Gate::domain_differs(const Tree& body) const {
    Value auth = body.root()["auth"];
    std::size_t entry = by_member_id_.find(auth["member_id"].text());
    const std::string& known = entries_[entry].domain;
    std::string_view received = auth["domain"].text();
    return !known.empty() && !received.empty() && !equal_ignoring_case(known, received);
}

void Gate::Index::add(const std::string& name, std::size_t entry) {
    items_.push_back({std::hash<std::string_view>{}(name), name, entry});
}

void Gate::Index::seal() {
    std::size_t size = std::bit_ceil(std::max<std::size_t>(1, items_.size()));
    items_.resize(size, {std::numeric_limits<std::size_t>::max(), "", unknown});
    std::ranges::sort(items_, {}, &Item::hash);
}

// A binary search without a branch on its outcome, and always one name to compare.
std::size_t Gate::Index::find(std::string_view name) const {
    std::size_t hash = std::hash<std::string_view>{}(name);
    std::size_t at = 0;
    for (std::size_t step = items_.size() / 2; step > 0; step /= 2) {
        at += step * static_cast<std::size_t>(items_[at + step - 1].hash < hash);
    }
    // Past a name of the same hash, should there ever be one.
    while (at + 1 < items_.size() && items_[at + 1].hash == hash && items_[at].name != name) ++at;
    return items_[at].entry * static_cast<std::size_t>(items_[at].name == name);
}

// Both indexes are asked whatever the first says, for the same work with each sender.
std::size_t Gate::entry_of(Value auth) const {
    std::size_t by_member_id = by_member_id_.find(auth["member_id"].text());
    std::size_t by_domain = by_domain_.find(lower(auth["domain"].text()));
    auto otherwise = [](std::size_t entry, std::size_t next) {
        return entry + next * static_cast<std::size_t>(entry == unknown);
    };
    return otherwise(otherwise(by_member_id, by_domain), anyone_);
}

// All tokens are compared, each over its full width, with no branch on an outcome.
bool Gate::matches(const Entry& entry, std::string_view token) const {
    std::string given(width_, '\0');
    token.copy(given.data(), width_);
    unsigned right = 0;
    for (const Token& known : entry.tokens) {
        unsigned same_bytes = equal_in_constant_time(known.bytes, given) ? 1 : 0;
        unsigned same_length = known.length == token.size() ? 1 : 0;
        right |= same_bytes & same_length;
    }
    return right != 0;
}

}  // namespace bx
