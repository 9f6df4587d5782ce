#include <algorithm>
#include <array>

#include "base/escape.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "event/catalog.h"
#include "event/kinds.h"
#include "event/own_events.h"

namespace bx {

namespace {

// True when GLOB begins as the codes of posts that are no events do.
bool is_of_posts(std::string_view glob) {
    return is_reserved_code(glob.substr(0, glob.find_first_of("*?[")));
}

// True for a glob that takes some known event; our own no glob takes.
bool is_known(const std::string& glob) {
    return find_event(glob) != nullptr ||
           std::ranges::any_of(catalog(), [&](const CatalogEvent& event) {
               return !is_own_code(event.code) && glob_match(glob, event.code, true);
           });
}

// What GLOB, which matches no known event, may have meant: "ONCRMDAEL*" is like "ONCRMDEAL*".
std::string nearest_code(const std::string& glob) {
    std::size_t plain = glob.find_first_of("*?[");
    if (plain == std::string::npos) return std::string(nearest_event(glob));
    std::vector<std::string_view> beginnings;
    for (const CatalogEvent& event : catalog()) beginnings.push_back(event.code.substr(0, plain));
    std::string_view near = nearest(glob.substr(0, plain), beginnings);
    return near.empty() ? "" : std::string(near) + glob.substr(plain);
}

}  // namespace

bool looks_like_regex(std::string_view glob) {
    constexpr std::array<std::string_view, 5> marks{".*", ".+", "\\d", "\\w", "|"};
    return glob.starts_with('^') || glob.ends_with('$') ||
           std::ranges::any_of(marks, [&](std::string_view mark) {
               return glob.find(mark) != std::string_view::npos;
           });
}

void check_globs(const std::vector<std::string>& globs, const std::string& place,
                 const std::string& file, Findings& findings) {
    for (const std::string& glob : globs) {
        if (is_known(glob)) continue;
        if (is_own_code(upper(glob))) {
            findings.warning(place,
                             "no event is '" + printable(glob) +
                                 "': those of bxhook's own are named in full (BXHOOK.DEAD, "
                                 "BXHOOK.PORTAL)",
                             edit_command(file));
            continue;
        }
        if (is_of_posts(glob)) continue;
        std::string near = nearest_code(glob);
        findings.warning(place,
                         "no known event is '" + printable(glob) + "'" +
                             (looks_like_regex(glob)
                                  ? ": use a glob (* ? [..]), not a regular expression"
                              : near.empty() ? " ('bxhook events' lists them)"
                                             : did_you_mean(near)),
                         edit_command(file));
    }
}

}  // namespace bx
