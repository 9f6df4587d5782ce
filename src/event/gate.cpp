#include "event/gate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "base/random.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t nobody = 0;

// IF_SO ? YES : NO, without a branch.
std::size_t select(bool if_so, std::size_t yes, std::size_t no) {
    const std::size_t mask = std::size_t{0} - static_cast<std::size_t>(if_so);
    return (yes & mask) | (no & ~mask);
}

// Is GIVEN, as if filled up with NUL, the same as KNOWN over KNOWN's size?  Time depends on that
// size alone, which is the same for every token.  The volatile keeps the compiler from leaving the
// loop early.  GIVEN has at least one byte.
bool equal_in_constant_time(std::string_view known, std::string_view given) {
    volatile unsigned difference = 0;
    for (std::size_t i = 0; i < known.size(); ++i) {
        const std::size_t inside = select(i < given.size(), ~std::size_t{0}, 0);
        const auto x = static_cast<unsigned char>(known[i]);
        const auto y = static_cast<unsigned char>(given[i & inside]) & inside;
        difference = difference | static_cast<unsigned>(x ^ y);
    }
    return difference == 0;
}

SipKey random_key() { return {random_bits(), random_bits()}; }

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

Gate::Gate(const std::vector<Portal>& portals, bool installations)
    : installations_(installations), key_(random_key()), second_key_(random_key()) {
    std::size_t rounds = 1;
    for (const Portal& portal : portals) {
        rounds = std::max(rounds, portal.tokens.size());
        for (const std::string& token : portal.tokens) width_ = std::max(width_, token.size());
    }
    entries_.push_back(make_entry({}, rounds));  // nobody
    for (const Portal& portal : portals) {
        entries_.push_back(make_entry(portal, rounds));
        index(entries_.back(), entries_.size() - 1);
    }
    by_member_id_.seal();
    by_domain_.seal();
    names_.seal();
}

Gate::Entry Gate::make_entry(const Portal& portal, std::size_t rounds) const {
    Entry entry{portal.member_id, lower(portal.domain), {}};
    for (const std::string& token : portal.tokens) {
        entry.tokens.push_back({token, token.size()});
        entry.tokens.back().bytes.resize(width_);
    }
    entry.tokens.resize(rounds, {std::string(width_, '\0'), no_length});
    return entry;
}

void Gate::index(const Entry& entry, std::size_t at) {
    if (!entry.member_id.empty()) {
        by_member_id_.add(digest(entry.member_id), at);
    } else if (!entry.domain.empty()) {
        by_domain_.add(digest(entry.domain), at);
    } else {
        anyone_ = at;
    }
    for (const std::string& name : {lower(entry.member_id), entry.domain}) {
        if (!name.empty()) names_.add(digest(name), at);
    }
}

GateResult Gate::check(const Tree& body) const {
    const Value auth = body.root()["auth"];
    const Value token = auth["application_token"];
    const Identity sent{auth["member_id"].text(), auth["domain"].text()};
    const Found found = entry_of(sent);
    GateResult result;
    result.known = found.known;
    result.sender = identity_of(found, sent);
    result.anyone = (anyone_ != nobody) & (found.entry == anyone_) & found.known;
    if (entries_.size() == 1 && !installations_) {
        result.verdict = GateVerdict::no_portal_configured;
    } else if (auth.rewritten() || token.rewritten()) {
        result.verdict = GateVerdict::token_repeated;
    } else if (!token.is_text()) {
        result.verdict = GateVerdict::token_missing;
    } else {
        const bool right = matches(entries_[found.entry], token.text());
        if (!(right & found.known)) return result;
        result.verdict = GateVerdict::allowed;
        const std::string_view configured = result.sender.domain;
        result.renamed = !configured.empty() && !sent.domain.empty() &&
                         !equal_ignoring_case(configured, sent.domain);
    }
    return result;
}

Gate::Digest Gate::digest(std::string_view name) const {
    return {siphash(key_, name), siphash(second_key_, name)};
}

// The items that fill it up lead to an entry as the others do, but have no name.
void Gate::Index::seal() {
    const std::size_t entry = items_.empty() ? nobody : items_.back().entry;
    const std::size_t size = std::bit_ceil(std::max<std::size_t>(1, items_.size()));
    items_.resize(size, {{std::numeric_limits<std::uint64_t>::max(), 0}, entry});
    std::ranges::sort(items_, {}, [](const Item& item) { return item.name.first; });
}

// A binary search without a branch on its outcome.
Gate::Found Gate::Index::find(Digest name) const {
    std::size_t at = 0;
    for (std::size_t step = items_.size() / 2; step > 0; step /= 2) {
        at += step * static_cast<std::size_t>(items_[at + step - 1].name.first < name.first);
    }
    const Item& item = items_[at];
    const std::uint64_t difference =
        (item.name.first ^ name.first) | (item.name.second ^ name.second);
    return {item.entry, difference == 0};
}

// All indexes are asked whatever the first one says: the same work for each sender.
Gate::Found Gate::entry_of(const Identity& sent) const {
    const Digest domain = digest(lower(sent.domain));
    const Found by_member_id = by_member_id_.find(digest(sent.member_id));
    const Found by_domain = by_domain_.find(domain);
    const Found id_of_any = names_.find(digest(lower(sent.member_id)));
    const Found domain_of_any = names_.find(domain);
    const bool anyone = (anyone_ != nobody) & !id_of_any.known & !domain_of_any.known;
    const std::size_t otherwise = select(anyone, anyone_, by_member_id.entry);
    return {select(by_member_id.known, by_member_id.entry,
                   select(by_domain.known, by_domain.entry, otherwise)),
            (by_member_id.known | by_domain.known | anyone) != 0};
}

// Without a branch too.  The names of nobody's entry are empty.
Identity Gate::identity_of(Found found, const Identity& sent) const {
    const std::size_t at = select(found.known, found.entry, nobody);
    const bool as_sent = (at != nobody) & (at == anyone_);
    const std::array<Identity, 2> either{
        Identity{entries_[at].member_id, entries_[at].domain}, sent};
    return either[select(as_sent, 1, 0)];
}

// All tokens are compared, each over its full width, with no branch on an outcome.
bool Gate::matches(const Entry& entry, std::string_view token) const {
    const std::size_t length = token.size();
    if (token.empty()) token = std::string_view("", 1);
    unsigned right = 0;
    for (const Token& known : entry.tokens) {
        const unsigned same_bytes = equal_in_constant_time(known.bytes, token) ? 1 : 0;
        const unsigned same_length = known.length == length ? 1 : 0;
        right |= same_bytes & same_length;
    }
    return right != 0;
}

}  // namespace bx
