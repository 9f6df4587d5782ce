// The gate: may the sender of this body deliver events here, and who is it?
//
// It fails closed: without a portal nobody may.  The time of a verdict tells neither how much of a
// token was right nor whether a portal is known, because all tokens of the portal are compared in
// constant time, and those of another one for an unknown portal.  It depends only on the lengths of
// what was sent, which the sender knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.h"
#include "config/config.h"
#include "form/tree.h"

namespace bx {

enum class GateVerdict {
    allowed,
    no_portal_configured,
    token_missing,   // absent, or an array
    token_repeated,  // named by more than one field of the body
    token_wrong,     // also: not of that portal, or an unknown portal
};

// The verdict for a log line: "wrong token", "token missing"...
std::string_view describe(GateVerdict verdict);

// Who sent a body.  Valid as long as the Gate and the Tree it is of.
struct Identity {
    std::string_view member_id;
    std::string_view domain;
};

struct GateResult {
    GateVerdict verdict = GateVerdict::token_wrong;
    // A portal block matches the sender: for the log, where a person looks for a mistyped domain.
    bool known = false;
    // Allowed, found by member_id, and the block names another domain than was sent: the portal was
    // renamed, which is logged and accepted.
    bool renamed = false;
    // Found by the block with neither.  It is somebody else's all the same when that is the name of
    // an installation (token_proof.h).
    bool anyone = false;
    // The member_id and domain of the sender's block, empty where the block does not name them; as
    // sent for a block that names neither.  The token proves them when the verdict is `allowed`.
    Identity sender;
};

class Gate {
public:
    // PORTALS are copied.  INSTALLATIONS: it is not the only one to say who may (token_proof.h), so
    // that without a portal all tokens are wrong.
    explicit Gate(const std::vector<Portal>& portals, bool installations = false);

    // Looks at auth[application_token], auth[member_id] and auth[domain] of BODY.
    // Portal of an event: the block with its member_id; failing that the block without member_id
    // whose domain equals the event's (ASCII case-insensitive); failing that the block with
    // neither, unless another block has that member_id or domain.
    GateResult check(const Tree& body) const;

private:
    // A configured token, filled up to `width_` bytes so that each comparison costs the same.  One
    // of length `no_length` is a dummy: it equals nothing.
    struct Token {
        std::string bytes;
        std::size_t length;
    };
    static constexpr std::size_t no_length = static_cast<std::size_t>(-1);
    struct Entry {
        std::string member_id;
        std::string domain;         // lower case
        std::vector<Token> tokens;  // as many for every portal
    };
    struct Found {
        std::size_t entry;
        bool known;  // false: the entry is another's, on which the same work is done for nothing
    };
    // Of a name: 128 bits, under keys of this process.  Names are compared by their digests, so
    // that the time does not depend on how many of their bytes are equal.
    struct Digest {
        std::uint64_t first;
        std::uint64_t second;
    };
    // From a name to its place in entries_, in as many steps for a name that it has as for any
    // other: sorted by digest, and filled up to a power of two.
    class Index {
    public:
        void add(Digest name, std::size_t entry) { items_.push_back({name, entry}); }
        void seal();  // after the last add()
        Found find(Digest name) const;

    private:
        struct Item {
            Digest name;
            std::size_t entry;
        };
        std::vector<Item> items_;
    };

    Digest digest(std::string_view name) const;
    Entry make_entry(const Portal& portal, std::size_t rounds) const;
    void index(const Entry& entry, std::size_t at);
    Found entry_of(const Identity& sent) const;
    Identity identity_of(Found found, const Identity& sent) const;
    bool matches(const Entry& entry, std::string_view token) const;

    bool installations_;
    SipKey key_;
    SipKey second_key_;
    std::size_t width_ = 0;        // of the longest token
    std::vector<Entry> entries_;   // the first is nobody's: dummies alone
    Index by_member_id_;
    Index by_domain_;
    Index names_;                  // every member_id and domain in lower case: no other's to use
    std::size_t anyone_ = 0;       // the entry of the block with neither; 0: there is none
};

}  // namespace bx
