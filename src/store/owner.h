// A store is used by one user: the owner of the directory that holds Config::worker_files.
#pragma once

#include "config/config.h"

namespace bx {

// What becomes of a directory that is missing.
enum class Missing { make, leave };

// Makes this process that user, before any file of the store is opened.  As root: takes the
// directory owner's uid, gid and supplementary groups (/etc/passwd, /etc/group), for good.  As that
// owner: nothing to do.  A directory that is missing is made (0700) by the owner of the one above
// it, or, told to leave it, that owner is who root becomes.
// Throws Error: "run as NAME" for any other user, and the chown that fixes a store that belongs to
// root; as root UnsafeFile when CONFIG, or the way to the directory, is a third user's to change.
void become_store_owner(const Config& config, Missing missing = Missing::make);

// As root: throws what become_store_owner would, and changes nothing.  For anybody else nothing.
void require_store_owner(const Config& config);

}  // namespace bx
