// Portals: the rules for one, the rules between them, and the portals file.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/problems.h"

namespace bx {

// What a member_id or a domain may be: at most 255 bytes of [A-Za-z0-9._:-].
constexpr std::size_t max_portal_name = 255;
bool is_portal_name_byte(char c);

// Sets the member_id, domain or adds a token of PORTAL; what is wrong goes to PROBLEMS at PLACE.
void set_member_id(Portal& portal, const std::string& text, const std::string& place,
                   Problems& problems);
void set_domain(Portal& portal, const std::string& text, const std::string& place,
                Problems& problems);
void add_token(Portal& portal, const std::string& text, const std::string& place,
               Problems& problems);

// Appends the portals of the file at PATH: lines "member_id domain token [token ...]", "-"
// for none.  Who can change it is added to WRITERS (read_trusted_file()); throws UnsafeFile.
void read_portals_file(const std::string& path, std::vector<Portal>& portals, Problems& problems,
                       std::vector<Writer>& writers);

// One member_id in two portals, one domain in two without member_id, two with neither.
void check_duplicates(const std::vector<Portal>& portals, const std::string& portals_file,
                      Problems& problems);

}  // namespace bx
