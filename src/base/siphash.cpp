#include "base/siphash.h"

#include <endian.h>

#include <bit>
#include <cstring>

namespace bx {

namespace {

struct State {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    void take(std::uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

// Little-endian, as the algorithm has it: hashes lie in files, too.
std::uint64_t load(const char* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

// What is left at the end, less than 8 bytes.  (A copy of variable length is a call.)
std::uint64_t load_rest(std::string_view rest) {
    std::uint64_t word = 0;
    for (; !rest.empty(); rest.remove_suffix(1)) {
        word = word << 8 | static_cast<unsigned char>(rest.back());
    }
    return word;
}

}  // namespace

std::uint64_t siphash(const SipKey& key, std::string_view text) {
    State state{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
                key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) state.take(load(text.data()));
    state.take(load_rest(text) | length << 56);
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace bx
