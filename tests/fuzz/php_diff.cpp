// The differential fuzzer: our decoder against PHP's $_POST, keys' types and order included.
//
//   php-diff form|multipart COUNT [SEED]
//   php-diff --print form|multipart COUNT SEED    the bodies alone, as hex digits, one a line
//
// A body that we refuse is not compared: for the limits it is checked that they were passed; what
// multipart calls malformed is our own choice.  Ends with a line of counts, exit 1 on a difference,
// which is printed with the smallest body found that shows it.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"
#include "bodies.h"
#include "form/form.h"
#include "php.h"

namespace {

using Problem = bx::FormError::Problem;

constexpr std::string_view boundary = "XX";
constexpr std::size_t batch = 50;

// PHP makes an int of a key that it would print the same.
bool is_int(const std::string& key) {
    errno = 0;
    char* end = nullptr;
    const long long number = std::strtoll(key.c_str(), &end, 10);
    return errno == 0 && std::to_string(number) == key;
}

// VALUE as PHP's serialize() writes it.  Recursion is bounded by the limit of depth.
void serialize(std::string& out, bx::Value value) {
    const auto text = [&out](const std::string& s) {
        out += "s:" + std::to_string(s.size()) + ":\"" + s + "\";";
    };
    if (value.is_text()) return text(std::string(value.text()));
    out += "a:" + std::to_string(value.count()) + ":{";
    for (bx::Value child = value.first(); child; child = child.next()) {
        const std::string key(child.key());
        if (is_int(key)) {
            out += "i:" + key + ";";
        } else {
            text(key);
        }
        serialize(out, child);
    }
    out += "}";
}

class Comparison {
public:
    explicit Comparison(bool multipart)
        : multipart_(multipart),
          type_(multipart ? "multipart/form-data; boundary=" + std::string(boundary)
                          : "application/x-www-form-urlencoded"),
          php_(std::string(BXHOOK_SOURCE) + "/tests/fuzz/dump.php") {}

    void compare(const std::vector<std::string>& bodies) {
        const std::vector<std::string> answers = php_.post(bodies, type_);
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            const auto ours = decode(bodies[i]);
            if (!ours) {
                ++refused_;
            } else if (*ours != answers[i]) {
                report(bodies[i]);
            } else {
                ++equal_;
            }
        }
    }

    std::size_t compared() const { return equal_ + different_; }
    std::size_t refused() const { return refused_; }
    std::size_t different() const { return different_; }

private:
    // None: refused.
    std::optional<std::string> decode(const std::string& body) const {
        std::string out;
        try {
            serialize(out, bx::decode_body(body, type_, {}).root());
        } catch (const bx::FormError& error) {
            check_refusal(error, body);
            return std::nullopt;
        }
        return out;
    }

    void check_refusal(const bx::FormError& error, const std::string& body) const {
        const auto count = [&body](char c) { return std::count(body.begin(), body.end(), c); };
        const bool right = error.problem() == Problem::too_many_fields ? count('&') >= 1000
                           : error.problem() == Problem::too_deep ? count('[') + count('%') > 64
                                                                  : multipart_;
        if (!right)
            throw bx::Error("refused for no reason: '" + bx::printable(body, 10000) +
                            "': " + error.what());
    }

    bool differs(const std::string& body) {
        const auto ours = decode(body);
        return ours && *ours != php_.post({body}, type_).front();
    }

    // Takes pieces out of BODY as long as it still shows the difference.
    std::string shrink(std::string body) {
        for (std::size_t piece = body.size(); piece > 0; piece /= 2) {
            for (std::size_t at = 0; at < body.size();) {
                std::string shorter = body;
                shorter.erase(at, piece);
                if (differs(shorter)) {
                    body = shorter;
                } else {
                    at += piece;
                }
            }
        }
        return body;
    }

    void report(const std::string& body) {
        if (++different_ > 10) return;
        const std::string small = shrink(body);
        std::cout << "DIFFERENT '" << bx::printable(small, 10000) << "'\n  ours "
                  << bx::printable(decode(small).value_or(""), 10000) << "\n  PHP  "
                  << bx::printable(php_.post({small}, type_).front(), 10000) << std::endl;
    }

    bool multipart_;
    std::string type_;
    bx::Php php_;
    std::size_t equal_ = 0;
    std::size_t refused_ = 0;
    std::size_t different_ = 0;
};

void print(const std::string& body) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : body) {
        const auto byte = static_cast<unsigned char>(c);
        std::cout << digits[byte >> 4] << digits[byte & 15];
    }
    std::cout << '\n';
}

void print_bodies(bool multipart, std::size_t count, std::uint64_t seed) {
    bx::Bodies bodies(seed);
    for (; count > 0; --count) print(multipart ? bodies.multipart(boundary) : bodies.urlencoded());
}

int compare(bool multipart, std::size_t count, std::uint64_t seed) {
    bx::Bodies bodies(seed);
    Comparison comparison(multipart);
    for (std::size_t done = 0; done < count; done += batch) {
        std::vector<std::string> some;
        for (std::size_t i = 0; i < batch; ++i) {
            some.push_back(multipart ? bodies.multipart(boundary) : bodies.urlencoded());
        }
        comparison.compare(some);
    }
    std::cout << comparison.compared() << " bodies compared with PHP, " << comparison.refused()
              << " refused, " << comparison.different() << " different (seed " << seed << ")\n";
    return comparison.different() > 0 || comparison.compared() == 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string_view> words(argv + 1, argv + argc);
    const bool only_print = !words.empty() && words[0] == "--print";
    if (only_print) words.erase(words.begin());
    words.resize(3);
    const std::string_view kind = words[0];
    const auto count = bx::parse_number(words[1]);
    const auto seed = words[2].empty() && !only_print ? std::int64_t{std::random_device{}()}
                                                      : bx::parse_number(words[2]);
    if ((kind != "form" && kind != "multipart") || !count || !seed) {
        std::cerr << "usage: php-diff [--print] form|multipart COUNT [SEED]\n";
        return 2;
    }
    try {
        const auto bodies = static_cast<std::size_t>(*count);
        const auto number = static_cast<std::uint64_t>(*seed);
        if (!only_print) return compare(kind == "multipart", bodies, number);
        print_bodies(kind == "multipart", bodies, number);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "php-diff: " << error.what() << '\n';
        return 1;
    }
}
