// How a SQLite file comes to have the tables of a store, which are in sql/schema.sql.
#pragma once

#include <string>

#include "sqlite/database.h"
#include "store/options.h"

namespace bx::sqlite {

enum class Journal {
    ahead,     // SQLite's WAL: fast, but all processes must be on one host
    rollback,  // for network file systems
};

// The journal that the file system of DIR allows.
Journal journal_for(const std::string& dir);

// Makes the file (0600) when there is none and OPTIONS.create, checks that it is ours, makes its
// tables when it has none, and sets the connection up.  Nothing is changed in a file that is
// refused.  Throws StoreVersionError for a file of another program, of bxhook 1.0 or of a newer
// major version.
std::unique_ptr<Database> open_database(const std::string& path, const StoreOptions& options,
                                        Journal journal);

}  // namespace bx::sqlite
