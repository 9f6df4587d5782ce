#include "config/portals.h"

#include <algorithm>
#include <span>
#include <unordered_map>

#include "base/fd.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t max_file_size = std::size_t{64} << 20;

bool is_plain(const std::string& text) {
    return std::ranges::none_of(text, [](char c) {
        auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7F;
    });
}

// False, and noted, when TEXT is blank or has a blank or control character.  It may be a secret and
// is not shown.
bool check_word(const std::string& text, const std::string& place, Problems& problems) {
    if (trim(text).empty()) {
        problems.add(place, "is blank");
        return false;
    }
    if (is_plain(text)) return true;
    problems.add(place, "has a blank or a control character in it");
    return false;
}

// The same for a member_id or domain, which no event could have otherwise.
bool check_name(const std::string& text, const std::string& place, Problems& problems) {
    if (!check_word(text, place, problems)) return false;
    if (text.size() > max_portal_name) {
        problems.add(place, "is longer than 255 bytes");
        return false;
    }
    if (std::ranges::all_of(text, is_portal_name_byte)) return true;
    problems.add(place, quoted(text) +
                            " has a byte other than letters, digits, '.', '_', ':' and '-'");
    return false;
}

// The words of a line, whatever blanks part them.
std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    for (;;) {
        line = trim(line);
        if (line.empty()) return words;
        std::size_t end = std::min(line.find_first_of(" \t"), line.size());
        words.emplace_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

// The portal of WORDS, at least three; what is wrong with it goes to PROBLEMS, with the key.
Portal portal_of(std::span<const std::string> words, Problems& problems) {
    Portal portal;
    if (words[0] != "-") set_member_id(portal, words[0], "member_id", problems);
    if (words[1] != "-") set_domain(portal, words[1], "domain", problems);
    for (const std::string& token : words.subspan(2)) {
        if (token == "-") {
            problems.add("", "has no token");
            break;
        }
        add_token(portal, token, "token", problems);
    }
    return portal;
}

// LINE of FILE, the one of that NUMBER.
void read_line(std::string_view line, const std::string& file, std::size_t number,
               std::vector<Portal>& portals, Problems& problems) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty() || words[0].front() == '#' || words[0].front() == ';') return;
    if (words.size() < 3) {
        return problems.add_at(
            file, number, "must have at least three words: member_id domain token (- for none)");
    }
    Problems found;
    Portal portal = portal_of(words, found);
    for (const Problem& problem : found.list()) {
        problems.add_at(file, number, to_string(problem));
    }
    if (!found.empty()) return;
    portal.place = file + ":" + std::to_string(number);
    portal.line = number;
    portals.push_back(std::move(portal));
}

}  // namespace

bool is_portal_name_byte(char c) {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == ':' || c == '-';
}

void set_member_id(Portal& portal, const std::string& text, const std::string& place,
                   Problems& problems) {
    if (check_name(text, place, problems)) portal.member_id = text;
}

void set_domain(Portal& portal, const std::string& text, const std::string& place,
                Problems& problems) {
    if (text.find('/') != std::string::npos) {
        return problems.add(place, quoted(text) + " must be the host alone: some.bitrix24.com");
    }
    if (check_name(text, place, problems)) portal.domain = lower(text);
}

// Without the value, which may be a secret.
void add_token(Portal& portal, const std::string& text, const std::string& place,
               Problems& problems) {
    if (!check_word(text, place, problems)) return;
    if (text.find_first_of("'\"`") != std::string::npos) {
        return problems.add(place, "has quotes in it: write the token without them");
    }
    if (text.find('/') != std::string::npos) {
        return problems.add(place,
                            "is a URL or a path: the token is the application_token (32 letters and "
                            "digits) that Bitrix24 shows beside an outgoing webhook");
    }
    portal.tokens.push_back(text);
}

void read_portals_file(const std::string& path, std::vector<Portal>& portals, Problems& problems,
                       std::vector<Writer>& writers) {
    std::string text;
    try {
        text = read_trusted_file(path, max_file_size, writers);
    } catch (const UnsafeFile&) {
        throw;
    } catch (const Error& error) {
        return problems.add("portals", error.what());
    }
    if (text.starts_with("\xEF\xBB\xBF")) {
        problems.add_at(path, 1, "begins with a byte order mark: save it without BOM");
        text.erase(0, 3);
    }
    std::size_t number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        read_line(line, path, number, portals, problems);
    }
}

void check_duplicates(const std::vector<Portal>& portals, const std::string& portals_file,
                      Problems& problems) {
    std::unordered_map<std::string, const Portal*> member_ids;
    std::unordered_map<std::string, const Portal*> domains;
    const Portal* anyone = nullptr;
    auto complain = [&](const Portal& portal, const Portal& first, const std::string& what) {
        const std::string message = what + " stands in " + first.place + " already";
        if (portal.line > 0) problems.add_at(portals_file, portal.line, message);
        else problems.add(portal.place, message);
    };
    for (const Portal& portal : portals) {
        if (!portal.member_id.empty()) {
            auto [found, is_new] = member_ids.try_emplace(portal.member_id, &portal);
            if (!is_new) complain(portal, *found->second, "member_id " + quoted(portal.member_id));
        } else if (!portal.domain.empty()) {
            auto [found, is_new] = domains.try_emplace(portal.domain, &portal);
            if (!is_new) {
                complain(portal, *found->second,
                         "domain " + quoted(portal.domain) + " without member_id");
            }
        } else if (anyone != nullptr) {
            complain(portal, *anyone, "a portal with neither member_id nor domain");
        } else {
            anyone = &portal;
        }
    }
}

}  // namespace bx
