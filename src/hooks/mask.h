// Keeps an event's secrets out of what its hook prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

// Shorter values are not masked: "1" or "token" would blot out half of an honest output.
constexpr std::size_t min_masked_secret = 6;  // bytes

// Replaces every occurrence of a secret in a stream by ***, also one that arrives in pieces, and
// overlapping ones as one.  Linear in the stream for each secret, whatever the secrets are (a KMP
// automaton each).
class Masker {
public:
    // Secrets under min_masked_secret bytes are ignored.
    explicit Masker(const std::vector<std::string>& secrets);

    // Takes the next piece; gives what can be passed on.  Held back is only what may be the
    // beginning of a secret.
    std::string add(std::string_view data);
    // The stream has ended: gives what was held back, with the beginning of a secret masked too.
    std::string end();

private:
    struct Pattern {
        std::string text;
        std::vector<std::uint32_t> failure;  // the longest border of each prefix
        std::size_t matched = 0;             // bytes of text that end the stream so far
    };
    struct Range {
        std::size_t begin, end;
    };

    void step(Pattern& pattern, char c);
    void cover(std::size_t length);
    std::string release(std::size_t size);

    std::vector<Pattern> patterns_;
    std::string pending_;
    std::vector<Range> covered_;  // of pending_: disjoint, in order
};

// OUTPUT, complete, with every one of SECRETS replaced by ***.
std::string mask_secrets(std::string_view output, const std::vector<std::string>& secrets);

}  // namespace bx
