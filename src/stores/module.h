// A store that is no part of the program: bxhook-postgresql.so, loaded only for such a store, so
// that everybody else needs no libpq.
#pragma once

#include <memory>
#include <string>

#include "host/store_owner.h"
#include "store/import.h"
#include "store/store.h"

namespace bx {

// Each function throws StoreError.
struct StoreModule {
    // The program and its module share classes: they fit when they are of one version.
    const char* version;
    std::unique_ptr<Store> (*open)(const std::string& url, const StoreOptions& options);
    // `bxhook store init`: makes schema, tables and functions; gives what it did, for people.
    std::string (*init)(const std::string& url);
    // Brings them up to this version.
    std::string (*upgrade)(const std::string& url);
    // Server and schema, as lines for people.
    std::string (*status)(const std::string& url);
    // The store as one that takes another's events over.
    std::unique_ptr<StoreImport> (*import)(const std::string& url);
};

// The variable of a module that points to its StoreModule.
constexpr const char* store_module_symbol = "bxhook_store_module";

// The PostgreSQL module, loaded when it was not yet.  Throws StoreError: it is not installed, or of
// another version, or this program cannot load any.
const StoreModule& postgresql_module(const StoreOwner& owner);
// False where postgresql_module throws.
bool has_postgresql_module();

}  // namespace bx
