// The files of `portals import`: installations as those write them who kept their tokens until now.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "store/installation.h"

namespace bx {

// One installation of a file.
struct FileEntry {
    std::size_t line = 0;         // from 1 on
    BroughtInstallation portal;
    std::string problem;          // why it cannot be taken; empty: it can
};

// TEXT is one of
//
//   - lines of JSON, as `portals export` writes them: {"member_id", "client_id", "refresh_token",
//     "application_token" or "application_token_sha256"};
//   - a table whose first line names such columns, separated by tabs, `;` or commas; a field may
//     stand in double quotes;
//   - the settings.json of CRest, one object.  Its application_token is left out: CRest stores
//     there what a page was called with, which is none.
//
// Other names are ignored.  Where a portal has no client_id it is APP, which may be empty.  Throws
// Error where TEXT is none of these.
std::vector<FileEntry> read_portals_file(std::string_view text, const std::string& app);

// One line for read_portals_file, with its end.
std::string portals_line(const BroughtInstallation& portal);

}  // namespace bx
