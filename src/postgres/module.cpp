// What the program finds in bxhook-postgresql.so.
#include "stores/module.h"

#include "config/config.h"
#include "config/secrets.h"
#include "postgres/moved.h"
#include "postgres/postgres_store.h"
#include "postgres/schema.h"

namespace bx::postgres {

namespace {

constexpr Millis patience = 60 * second;  // with a person who changes a schema

std::unique_ptr<Store> open(const std::string& place, const StoreOptions& options) {
    return std::make_unique<PostgresStore>(place, options);
}

std::string migrate(const std::string& place, bool make) {
    const Millis until = steady_now() + patience;
    Link link(place, {patience, {}}, until);
    return migrate_schema(link, make, until);
}

std::string init(const std::string& place) { return migrate(place, true); }
std::string upgrade(const std::string& place) { return migrate(place, false); }

std::string status(const std::string& place) {
    const Millis until = steady_now() + patience;
    Link link(place, {patience, {}}, until);
    const std::optional<SchemaVersion> version = schema_version(link, until);
    const Result server = link.script("SHOW server_version", until);
    std::string text = "store    " + store_without_password(place) + "\nserver   " + link.host() +
                       ", PostgreSQL " + server.word(0, 0) + "\nschema   " +
                       (version ? version->text() : "none") + ", this bxhook has " +
                       newest_schema.text() + "\n";
    check_schema(version);
    return text;
}

}  // namespace

extern "C" {
// Declared here, since nothing but dlsym looks for it.
extern const StoreModule bxhook_store_module;
const StoreModule bxhook_store_module{BXHOOK_VERSION, open, init, upgrade, status, open_import};
}

}  // namespace bx::postgres
