#include "cli/open.h"

#include <string>

#include "config/config_file.h"
#include "stores/open.h"

namespace bx {

namespace {

// How long a person's command waits for a lock that the worker or a gateway holds.
constexpr Millis patience = 10 * second;

}  // namespace

ConfigPtr config_of(const Arguments& args, ConfigPart part) {
    std::string path = find_config(args.value("--config"));
    try {
        return load_config(path, part);
    } catch (const ConfigError& error) {
        std::string text = error.what();
        if (text.find(path) == std::string::npos) text = "'" + path + "': " + text;
        std::size_t more =
            error.problems().size() - std::min<std::size_t>(1, error.problems().size());
        if (more > 0) text += " (and " + std::to_string(more) + " more: 'bxhook check' shows all)";
        throw Error(text);
    }
}

std::unique_ptr<Store> store_of(const Config& config, Missing missing) {
    const StoreOwner owner = become_store_owner(config.store.worker_files, config.writers, missing);
    return open_store(config.store, {.role = Role::person, .wait = patience}, owner);
}

}  // namespace bx
