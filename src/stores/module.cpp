#include "stores/module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <string_view>

#include "base/fd.h"

namespace bx {

namespace {

constexpr std::string_view file_name = "/bxhook-postgresql.so";

[[noreturn]] void fail(const std::string& why) {
    throw StoreError("cannot open the postgresql:// store: " + why);
}

#ifndef BXHOOK_NO_MODULE

// Beside the program (in the build tree), else where it is installed.
std::string module_path() {
    std::string beside = directory_of(own_binary()) + std::string(file_name);
    if (::access(beside.c_str(), F_OK) == 0) return beside;
    return BXHOOK_MODULEDIR + std::string(file_name);
}

const StoreModule& load() {
    const std::string path = module_path();
    if (::access(path.c_str(), F_OK) != 0) {
        fail("'" + path + "' is missing: install bxhook-postgresql");
    }
    // Never unloaded: the code of its stores and errors must stay for as long as they do.
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) fail(::dlerror());
    const auto* const module =
        static_cast<const StoreModule*>(::dlsym(library, store_module_symbol));
    if (module == nullptr) fail("'" + path + "' is not a bxhook module");
    if (std::string_view(module->version) != BXHOOK_VERSION) {
        fail("'" + path + "' is of version " + module->version + ", this is " BXHOOK_VERSION
             ": install both of one version");
    }
    return *module;
}

#endif

const StoreModule& loaded() {
#ifdef BXHOOK_NO_MODULE
    fail("this bxhook was built with SQLite only: install one that has PostgreSQL");
#else
    static const StoreModule& module = load();
    return module;
#endif
}

}  // namespace

const StoreModule& postgresql_module(const StoreOwner&) { return loaded(); }

bool has_postgresql_module() {
    try {
        loaded();
        return true;
    } catch (const StoreError&) {  // not in this build, or not installed
        return false;
    }
}

}  // namespace bx
