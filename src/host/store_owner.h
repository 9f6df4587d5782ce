// A store is used by one user: the owner of the directory that holds its worker files (those of
// the store on this host, which are named after one path).
#pragma once

#include <string>
#include <vector>

#include "host/trust.h"

namespace bx {

// What becomes of a directory that is missing.
enum class Missing { make, leave };

// Proof that this process is that user.  Opening a store needs it, so that no other user makes files
// there.
class StoreOwner {
public:
    // For tests, whose directories are their own.
    static StoreOwner assumed() { return {}; }

private:
    StoreOwner() = default;
    friend StoreOwner become_store_owner(const std::string& worker_files,
                                         const std::vector<Writer>& writers, Missing missing);
};

// Makes this process that user, before any file of the store is opened.  As root: takes the
// directory owner's uid, gid and supplementary groups (/etc/passwd, /etc/group), for good.  As that
// owner: nothing to do.  A directory that is missing is made (0700) by the owner of the one above
// it, or, told to leave it, that owner is who root becomes.
// Throws Error: "run as NAME" for any other user, and the chown that fixes a store that belongs to
// root; as root UnsafeFile when the configuration, of which WRITERS are (Config::writers), or the
// way to the directory is a third user's to change.
StoreOwner become_store_owner(const std::string& worker_files, const std::vector<Writer>& writers,
                              Missing missing = Missing::make);

// As root: throws what become_store_owner would, and changes nothing.  For anybody else nothing.
void require_store_owner(const std::string& worker_files, const std::vector<Writer>& writers);

}  // namespace bx
