#include "config/portals.h"

#include <algorithm>
#include <span>
#include <unordered_map>

#include "base/text.h"
#include "config/keys.h"

namespace bx {

namespace {

constexpr std::size_t max_file_size = std::size_t{64} << 20;

// The words of a line, whatever spaces and tabs are between them.
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

// The key NAME of a portal is TEXT, or what is wrong with it goes to PROBLEMS.
void set_key(Portal& portal, std::string_view name, const std::string& text, Problems& problems) {
    const std::span<const Key<Portal>> keys = portal_keys();
    const auto key = std::ranges::find(keys, name, [](const auto& each) { return each.spec.name; });
    std::string problem;
    if (std::optional<KeyValue> value = parse_value(key->spec, text, "", problem)) {
        key->set(portal, *value);
    } else {
        problems.add(name, problem);
    }
}

// The portal of WORDS, at least three; what is wrong with it goes to PROBLEMS, with the key.
Portal portal_of(std::span<const std::string> words, Problems& problems) {
    Portal portal;
    if (words[0] != "-") set_key(portal, "member_id", words[0], problems);
    if (words[1] != "-") set_key(portal, "domain", words[1], problems);
    for (const std::string& token : words.subspan(2)) {
        if (token == "-") {
            problems.add("", "has no token");
            break;
        }
        set_key(portal, "token", token, problems);
    }
    return portal;
}

// The end of a message on what both FIRST and another portal claim.
std::string used_by(const Portal& first) {
    return " is already used by " + first.place;
}

}  // namespace

void read_portals_line(std::string_view line, const std::string& file, std::size_t number,
                       std::vector<Portal>& portals, Problems& problems) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty() || words[0].front() == '#' || words[0].front() == ';') return;
    if (words.size() < 3) {
        return problems.add_at(
            file, number, "needs at least three words: member_id domain token ('-' for none)");
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
        problems.add_at(path, 1,
                        "begins with a byte order mark: save the file as UTF-8 without BOM");
        text.erase(0, 3);
    }
    std::size_t number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        read_portals_line(line, path, number, portals, problems);
    }
}

void check_webhook(const Portal& portal, Problems& problems) {
    if (portal.webhook.empty()) return;
    const std::string place = portal.place + ": webhook";
    if (portal.domain.empty()) {
        return problems.add(place, "needs 'domain' in this block: its host must be that portal's");
    }
    const std::string origin = "https://" + portal.domain;
    if (!portal.webhook.starts_with(origin + "/")) {
        problems.add(place, "is of another host than " + quoted(portal.domain) +
                                ", the domain of this block");
    }
}

void check_duplicates(const std::vector<Portal>& portals, const std::string& portals_file,
                      Problems& problems) {
    std::unordered_map<std::string, const Portal*> member_ids;
    std::unordered_map<std::string, const Portal*> domains;
    const Portal* anyone = nullptr;
    auto complain = [&](const Portal& portal, const std::string& message) {
        if (portal.line > 0) problems.add_at(portals_file, portal.line, message);
        else problems.add(portal.place, message);
    };
    for (const Portal& portal : portals) {
        if (!portal.member_id.empty()) {
            auto [found, is_new] = member_ids.try_emplace(portal.member_id, &portal);
            if (!is_new) {
                complain(portal, "member_id " + quoted(portal.member_id) + used_by(*found->second));
            }
        } else if (!portal.domain.empty()) {
            auto [found, is_new] = domains.try_emplace(portal.domain, &portal);
            if (!is_new) {
                complain(portal, "domain " + quoted(portal.domain) + " without member_id" +
                                     used_by(*found->second));
            }
        } else if (anyone != nullptr) {
            complain(portal, "has neither member_id nor domain, which only one portal may: " +
                                 anyone->place + " has neither too");
        } else {
            anyone = &portal;
        }
    }
}

}  // namespace bx
