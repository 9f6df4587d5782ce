// What a token proves when it is an installation's and not the configuration's (gate.h).
//
// The installations are those that the store has of the senders of a batch; here is no store.  Of a
// token only its SHA-256 is known, so that whoever reads the store cannot send events.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

// An installation that is not gone, as far as the gate needs it.
struct KnownInstallation {
    std::int64_t id = 0;
    std::string member_id;
    std::string client_id;  // empty: not verified
    std::string domain;     // lower case; of one that is verified it is proven
    std::string user_id;
    std::string token;      // SHA-256 of its application_token; empty: none is known
    std::string token_before;  // those before it, one behind the other (has_digest): right as well,
                               // until a post with the new one has come
    std::string page_key;      // of a pending one that a page brought, without application_token:
                               // SHA-256 of the AUTH_ID
    bool verified = false;     // active or broken: its posts are events; else they are held
    bool broken = false;
};

// By member_id; one that is there twice stays once.
void sort_known(std::vector<KnownInstallation>& known);

enum class TokenRole {
    none,         // it is nobody's of that member_id
    verified,     // of a verified installation
    pending,      // of one that is not
    of_tokenless, // nobody's, but a verified installation of that member_id has none yet: it may be
};

struct TokenProof {
    TokenRole role = TokenRole::none;
    const KnownInstallation* owner = nullptr;  // null for `none`
    // It is the new one, and older ones are right still.
    bool replaces = false;
};

// KNOWN is sorted (sort_known).  TOKEN is a SHA-256.  All installations of MEMBER_ID are compared,
// each over the whole digest, and for one that has none the same work is done for nothing.
TokenProof prove(std::string_view member_id, std::string_view token,
                 std::span<const KnownInstallation> known);

// True when DIGEST is one of DIGESTS, one behind the other; each is compared as a whole.
bool has_digest(std::string_view digests, std::string_view digest);

// Those of MEMBER_ID, of KNOWN that is sorted.
std::span<const KnownInstallation> of_member(std::string_view member_id,
                                             std::span<const KnownInstallation> known);

// True when a verified one has this MEMBER_ID or DOMAIN (any case): a block with neither never takes
// what is another's.
bool is_taken(std::string_view member_id, std::string_view domain,
              std::span<const KnownInstallation> known);

}  // namespace bx
