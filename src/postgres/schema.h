// The schema `bxhook` in the database: made and brought up to date by `bxhook store init|upgrade`,
// never by a gateway or worker, whose role need not be allowed to.
//
// To change tables: append to the migrations in schema.cpp, never edit an entry that was released.
// Functions are made anew with each step, so they are edited in place.  Programs of this major
// version and of any minor one go on with it meanwhile, so a minor step only adds (a table, an index,
// a column with a default, a function of a new name or with other arguments) and changes what a
// function does only as older programs may have it; what nobody of this major version uses any more
// goes with the next.
#pragma once

#include <string>

#include "postgres/link.h"

namespace bx::postgres {

struct SchemaVersion {
    std::int64_t major = 0;
    std::int64_t minor = 0;

    auto operator<=>(const SchemaVersion&) const = default;
    std::string text() const;  // "1.0"
};

extern const SchemaVersion newest_schema;

// Of the database; none: it has no such schema.
std::optional<SchemaVersion> schema_version(Link& link, Millis until);
// Throws StoreError (with the command that fixes it) for a schema that is missing or older than
// this program's, StoreVersionError for one of a newer major version.
void check_schema(const std::optional<SchemaVersion>& version);
// Brings it up to date in one transaction, with MAKE also from nothing; gives what it did, for
// people.  Where the server undid it in favour of another it is done again, until UNTIL.
std::string migrate_schema(Link& link, bool make, Millis until);

extern const char* const schema_tables;
extern const char* const schema_tables_1_1;
extern const char* const schema_functions_shared;
extern const char* const schema_functions_gateway;
extern const char* const schema_functions_worker;
extern const char* const schema_functions_merge;
extern const char* const schema_functions_operate;
extern const char* const schema_functions_1_1;

}  // namespace bx::postgres
