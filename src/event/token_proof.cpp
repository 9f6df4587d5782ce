#include "event/token_proof.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/sha256.h"
#include "base/text.h"

namespace bx {

namespace {

// Of two digests; an empty one equals nothing, after the same work.
bool equal_digests(std::string_view known, std::string_view given) {
    static const std::string nothing(sha256_size, '\0');
    const bool there = known.size() == sha256_size && given.size() == sha256_size;
    if (!there) known = given = nothing;
    volatile unsigned difference = 0;
    for (std::size_t i = 0; i < sha256_size; ++i) {
        const auto byte = static_cast<unsigned char>(known[i] ^ given[i]);
        difference = difference | byte;
    }
    return (difference == 0) & there;
}

TokenProof proof_by(const KnownInstallation& known, std::string_view token) {
    const bool is_now = equal_digests(known.token, token);
    const bool was = has_digest(known.token_before, token);
    const bool is_page = equal_digests(known.page_key, token);
    if (is_now || was) {
        return {known.verified ? TokenRole::verified : TokenRole::pending, &known,
                is_now && !known.token_before.empty()};
    }
    if (is_page && !known.verified) return {TokenRole::pending, &known};
    if (known.verified && known.token.empty()) return {TokenRole::of_tokenless, &known};
    return {};
}

// Which of two installations' claims on a token counts.
int rank_of(TokenRole role) {
    constexpr std::array ranks{0, 3, 2, 1};
    return ranks[static_cast<std::size_t>(role)];
}

}  // namespace

bool has_digest(std::string_view digests, std::string_view digest) {
    bool found = equal_digests(digests.substr(0, sha256_size), digest);
    for (std::size_t at = sha256_size; at < digests.size(); at += sha256_size) {
        found |= equal_digests(digests.substr(at, sha256_size), digest);
    }
    return found;
}

void sort_known(std::vector<KnownInstallation>& known) {
    std::ranges::sort(known, [](const KnownInstallation& a, const KnownInstallation& b) {
        return std::tie(a.member_id, a.id) < std::tie(b.member_id, b.id);
    });
    const auto same = [](const KnownInstallation& a, const KnownInstallation& b) {
        return a.id == b.id;
    };
    known.erase(std::unique(known.begin(), known.end(), same), known.end());
}

std::span<const KnownInstallation> of_member(std::string_view member_id,
                                             std::span<const KnownInstallation> known) {
    const auto before = [](const KnownInstallation& one, std::string_view id) {
        return one.member_id < id;
    };
    const auto after = [](std::string_view id, const KnownInstallation& one) {
        return id < one.member_id;
    };
    const auto first = std::lower_bound(known.begin(), known.end(), member_id, before);
    return {first, std::upper_bound(first, known.end(), member_id, after)};
}

TokenProof prove(std::string_view member_id, std::string_view token,
                 std::span<const KnownInstallation> known) {
    static const KnownInstallation nobody;
    TokenProof best = proof_by(nobody, token);
    for (const KnownInstallation& one : of_member(member_id, known)) {
        const TokenProof proof = proof_by(one, token);
        if (rank_of(proof.role) > rank_of(best.role)) best = proof;
    }
    return best;
}

bool is_taken(std::string_view member_id, std::string_view domain,
              std::span<const KnownInstallation> known) {
    return std::ranges::any_of(known, [&](const KnownInstallation& one) {
        return one.verified && ((!member_id.empty() &&
                                 equal_ignoring_case(one.member_id, member_id)) ||
                                (!domain.empty() && equal_ignoring_case(one.domain, domain)));
    });
}

}  // namespace bx
