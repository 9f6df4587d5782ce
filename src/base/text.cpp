#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace bx {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_alphanumeric(char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = lower(c);
    return result;
}

std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = upper(c);
    return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, [](char c) { return lower(c); },
                              [](char c) { return lower(c); });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    std::size_t begin = text.find_first_not_of(blank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

namespace {

// The class that begins at GLOB[0] == '[': whether C is in it, and its length; length 0 when it is
// never closed and so is no class.
struct ClassMatch {
    bool matched;
    std::size_t length;
};

ClassMatch match_class(std::string_view glob, char c, bool ignore_case) {
    auto fold = [ignore_case](char x) {
        return static_cast<unsigned char>(ignore_case ? lower(x) : x);
    };
    std::size_t i = 1;
    bool negated = i < glob.size() && (glob[i] == '!' || glob[i] == '^');
    if (negated) ++i;
    bool found = false;
    for (std::size_t first = i; i < glob.size(); ++i) {
        if (glob[i] == ']' && i > first) return {found != negated, i + 1};
        if (i + 2 < glob.size() && glob[i + 1] == '-' && glob[i + 2] != ']') {
            if (fold(glob[i]) <= fold(c) && fold(c) <= fold(glob[i + 2])) found = true;
            i += 2;
        } else if (fold(glob[i]) == fold(c)) {
            found = true;
        }
    }
    return {false, 0};
}

// How many bytes of GLOB the one character C takes; 0 when it does not match.
std::size_t match_one(std::string_view glob, char c, bool ignore_case) {
    if (glob.empty()) return 0;
    if (glob.front() == '?') return 1;
    if (glob.front() == '[') {
        ClassMatch result = match_class(glob, c, ignore_case);
        if (result.length > 0) return result.matched ? result.length : 0;
    }
    bool same = ignore_case ? lower(glob.front()) == lower(c) : glob.front() == c;
    return same ? 1 : 0;
}

}  // namespace

bool glob_match(std::string_view glob, std::string_view text, bool ignore_case) {
    constexpr std::size_t none = std::string_view::npos;
    std::size_t g = 0;
    std::size_t t = 0;
    std::size_t star = none;  // just behind the last '*', and where in the text it was met
    std::size_t star_text = 0;
    while (t < text.size()) {
        if (g < glob.size() && glob[g] == '*') {
            star = ++g;
            star_text = t;
            continue;
        }
        std::size_t taken = match_one(glob.substr(g), text[t], ignore_case);
        if (taken > 0) {
            g += taken;
            ++t;
        } else if (star != none) {
            g = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (g < glob.size() && glob[g] == '*') ++g;
    return g == glob.size();
}

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t number = 0;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
    std::int64_t unit = 1;
    if (text.ends_with('K')) unit = std::int64_t{1} << 10;
    if (text.ends_with('M')) unit = std::int64_t{1} << 20;
    if (unit > 1) text.remove_suffix(1);
    std::optional<std::int64_t> number = parse_number(text);
    if (!number || *number > std::numeric_limits<std::int32_t>::max() / unit) return std::nullopt;
    return *number * unit;
}

namespace {

// Damerau-Levenshtein distance (optimal string alignment), letters of either case equal.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    auto same = [&](std::size_t i, std::size_t j) { return lower(a[i - 1]) == lower(b[j - 1]); };
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                                d[i - 1][j - 1] + (same(i, j) ? 0U : 1U)});
            if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j)) {
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[a.size()][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.size() > 100) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (std::string_view candidate : candidates) {
        std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word) {
    return word.empty() ? "" : ", did you mean '" + std::string(word) + "'?";
}

}  // namespace bx
