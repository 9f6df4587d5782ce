// Random bodies, dense in what decoders get wrong.  One seed gives the same bodies everywhere.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

class Bodies {
public:
    explicit Bodies(std::uint64_t seed) : random_(seed) {}

    std::string urlencoded();
    std::string multipart(std::string_view boundary);

private:
    std::size_t below(std::size_t end) { return random_() % end; }
    bool chance(std::size_t one_in) { return below(one_in) == 0; }
    std::string_view any(const std::vector<std::string_view>& words) {
        return words[below(words.size())];
    }

    std::string soup(std::size_t words);  // tokens without any order
    std::string key();
    std::string name();  // "base[key][key]", now and then damaged
    std::string field();
    std::string deep_field();  // about as deep as the limit
    std::string encoded(std::string text);
    std::string part(std::string_view boundary);
    void damage(std::string& text);

    std::mt19937_64 random_;
};

}  // namespace bx
