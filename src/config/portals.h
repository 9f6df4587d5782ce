// Portals: the rules between them, and the portals file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/problems.h"

namespace bx {

// Appends the portals of the file at PATH: lines "member_id domain token [token ...]", "-"
// for none.  Who can change it is added to WRITERS (read_trusted_file()); throws UnsafeFile.
void read_portals_file(const std::string& path, std::vector<Portal>& portals, Problems& problems,
                       std::vector<Writer>& writers);

// Appends the portal of LINE, the one of that NUMBER in FILE, if it is one.
void read_portals_line(std::string_view line, const std::string& file, std::size_t number,
                       std::vector<Portal>& portals, Problems& problems);

// The webhook of PORTAL, a block, is that of its domain.
void check_webhook(const Portal& portal, Problems& problems);

// One member_id in two portals, one domain in two without member_id, two with neither.
void check_duplicates(const std::vector<Portal>& portals, const std::string& portals_file,
                      Problems& problems);

}  // namespace bx
