// A store is used by one user: the owner of the directory that SEAT (Config::seat) lies in.
#pragma once

#include <string>

namespace bx {

// Makes this process that user, before any file of the store is opened.  As root: takes the
// directory owner's uid, gid and supplementary groups (/etc/passwd, /etc/group), for good.  As that
// owner: nothing to do.  The directory is made (0700, with the owner of its parent) when missing.
// Throws Error: "run as NAME" for any other user, and the chown that mends it for a store that
// belongs to root.
void become_store_owner(const std::string& seat);

}  // namespace bx
