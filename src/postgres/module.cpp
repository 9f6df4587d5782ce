// What the program finds in bxhook-postgresql.so.
#include "stores/module.h"

#include "config/store_place.h"
#include "postgres/import.h"
#include "postgres/postgres_store.h"
#include "postgres/schema.h"

namespace bx::postgres {

namespace {

constexpr Millis patience = 60 * second;  // with a person who changes a schema

std::unique_ptr<Store> open(const std::string& url, const StoreOptions& options) {
    return std::make_unique<PostgresStore>(url, options);
}

std::string migrate(const std::string& url, bool make) {
    const Millis until = steady_now() + patience;
    Link link(url, {patience, {}}, until);
    return migrate_schema(link, make, until);
}

std::string init(const std::string& url) { return migrate(url, true); }
std::string upgrade(const std::string& url) { return migrate(url, false); }

std::string status(const std::string& url) {
    const Millis until = steady_now() + patience;
    Link link(url, {patience, {}}, until);
    const std::optional<SchemaVersion> version = schema_version(link, until);
    const Result server = link.script("SHOW server_version", until);
    std::string text = "store    " + without_password(url) + "\nserver   " + link.host() +
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
