// The schema `bxhook` in the database: made and brought up to date by `bxhook store init|upgrade`,
// never by a gateway or worker, whose role need not be allowed to.  sql/tables.sql is its manual.
//
// Major version 1 was bxhook 1.0's: it is refused, and left as it is.
//
// To change it: a minor step only adds (a table, an index, a column with a default, a function of a
// new name), since programs of this major version and of any minor one go on with it meanwhile, and
// changes what a function does only as older programs may have it.  Functions are made anew with each
// step, so they are edited in place.  Anything else raises the major version.
#pragma once

#include <string>

#include "postgres/link.h"

namespace bx::postgres {

struct SchemaVersion {
    std::int64_t major = 0;
    std::int64_t minor = 0;

    auto operator<=>(const SchemaVersion&) const = default;
    std::string text() const;  // "2.0"
};

extern const SchemaVersion newest_schema;

// Of the database; none: it has no such schema.
std::optional<SchemaVersion> schema_version(Link& link, Millis until);
// Throws StoreError (with the command that fixes it) for a schema that is missing or older than
// this program's, StoreVersionError for one of another major version.
void check_schema(const std::optional<SchemaVersion>& version);
// Brings it up to date in one transaction, with MAKE also from nothing; gives what it did, for
// people.  Where the server undid it in favour of another it is done again, until UNTIL.
std::string migrate_schema(Link& link, bool make, Millis until);

}  // namespace bx::postgres
