// Keeps an event's secrets out of what its hook prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bx {

// Shorter values are not masked: "1" or "token" would blot out half of an honest output.
constexpr std::size_t min_masked_secret = 6;  // bytes

// Replaces every occurrence of a secret in a stream by ***, also one that arrives in pieces, and
// overlapping ones as one.  Linear in the stream, however many secrets there are and whatever they
// have in common: one Aho-Corasick automaton for all, of 24 bytes for each byte of the secrets.  It is
// built when there is something to mask: most streams of hooks stay empty.
class Masker {
public:
    // Secrets under min_masked_secret bytes are ignored.
    explicit Masker(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}

    // Takes the next piece; gives what can be passed on.  Held back is only what may be the
    // beginning of a secret.
    std::string add(std::string_view data);
    // The stream has ended: gives what was held back, with the beginning of a secret masked too.
    std::string end();

private:
    // A beginning of a secret; node 0 is the empty one, and as a link means none.
    struct Node {
        std::uint32_t child, sibling;  // children are a list
        std::uint32_t fallback;        // the longest beginning that ends this one
        std::uint32_t depth;           // bytes
        std::uint32_t secret;          // bytes of the longest secret that ends this one; 0: none
        char byte;                     // its last
    };
    struct Range {
        std::size_t begin, end;
    };

    std::uint32_t find(std::uint32_t node, char c) const;
    std::uint32_t after(std::uint32_t node, char c) const;
    void build();
    void insert(std::string_view secret);
    void link();
    void step(char c);
    void cover(std::size_t length);
    std::string release(std::size_t size);

    std::vector<std::string> secrets_;  // until the automaton is built
    std::vector<Node> nodes_{Node{}};
    std::uint32_t state_ = 0;  // the longest beginning that ends the stream so far
    std::string pending_;
    std::vector<Range> covered_;  // of pending_: disjoint, in order
};

}  // namespace bx
