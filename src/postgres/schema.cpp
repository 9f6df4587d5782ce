#include "postgres/schema.h"

#include <cstdlib>

#include "base/random.h"
#include "postgres/sql.h"

namespace bx::postgres {

namespace {

// Held by who changes the schema, so that two who do wait for each other.
constexpr const char* lock_schema = "SELECT pg_advisory_xact_lock(1652058216, 3)";

}  // namespace

const SchemaVersion newest_schema{2, 0};

std::string SchemaVersion::text() const {
    return std::to_string(major) + "." + std::to_string(minor);
}

std::optional<SchemaVersion> schema_version(Link& link, Millis until) {
    const Result there = link.script("SELECT to_regclass('bxhook.version')", until);
    if (there.is_null(0, 0)) return std::nullopt;
    const Result version = link.script("SELECT major, minor FROM bxhook.version", until);
    if (version.rows() == 0) return std::nullopt;
    return SchemaVersion{std::strtoll(version.word(0, 0).c_str(), nullptr, 10),
                         std::strtoll(version.word(0, 1).c_str(), nullptr, 10)};
}

void check_schema(const std::optional<SchemaVersion>& version) {
    if (!version) {
        throw StoreError("the database is not prepared for bxhook: run 'bxhook store init'");
    }
    if (version->major < newest_schema.major) {
        throw StoreVersionError("bxhook 1.0 made the store, whose stores this version does not read: "
                                "use another database");
    }
    if (version->major > newest_schema.major) {
        throw StoreVersionError("a newer bxhook made the store (schema " + version->text() +
                                ", this one reads " + newest_schema.text() +
                                "): install that version");
    }
    if (*version < newest_schema) {
        throw StoreError("the store has schema " + version->text() + ", this bxhook needs " +
                         newest_schema.text() + ": run 'bxhook store upgrade'");
    }
}

namespace {

void make_tables(Link& link, Millis until) {
    link.script("CREATE SCHEMA IF NOT EXISTS bxhook; CREATE TABLE bxhook.version "
                "(major bigint NOT NULL, minor bigint NOT NULL)", until);
    for (const char* script : sql::tables) link.script(script, until);
    const auto key = [] { return std::to_string(static_cast<std::int64_t>(random_bits())); };
    link.script("INSERT INTO bxhook.world (key0, key1) VALUES (" + key() + ", " + key() + ")", until);
}

std::string migrate_once(Link& link, bool make, Millis until) {
    link.script("BEGIN", until);
    link.script(lock_schema, until);
    const std::optional<SchemaVersion> before = schema_version(link, until);
    const bool older = before && before->major == newest_schema.major && *before < newest_schema;
    if (!older && !(make && !before)) {
        check_schema(before);
        link.script("ROLLBACK", until);
        return "schema " + before->text() + " is up to date";
    }
    if (!before) make_tables(link, until);
    link.script("SET LOCAL check_function_bodies = off", until);  // they use each other
    for (const char* script : sql::functions) link.script(script, until);
    link.script("DELETE FROM bxhook.version; INSERT INTO bxhook.version VALUES (" +
                std::to_string(newest_schema.major) + ", " + std::to_string(newest_schema.minor) +
                ")", until);
    link.script("COMMIT", until);
    return (before ? "upgraded schema " + before->text() + " to " : "made schema ") +
           newest_schema.text();
}

}  // namespace

// A migration takes locks on tables that others work with, in an order of its own: when the server
// chose it for the one to give way, it is done anew.
std::string migrate_schema(Link& link, bool make, Millis until) {
    for (;;) {
        try {
            return migrate_once(link, make, until);
        } catch (const Conflict&) {
            link.script("ROLLBACK", until);
            if (steady_now() >= until) throw;
        }
    }
}

}  // namespace bx::postgres
