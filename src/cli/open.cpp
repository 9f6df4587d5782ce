#include "cli/open.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "config/config_file.h"
#include "stores/open.h"

namespace bx {

namespace {

// How long a person's command waits for a lock that the worker or a gateway holds.
constexpr Millis patience = 10 * second;

// For the mistakes of a first day: no config yet, or the wrong user.
void require_readable(const std::string& path) {
    if (::access(path.c_str(), R_OK) == 0) return;
    if (errno == ENOENT) {
        throw Error("there is no configuration file '" + path + "': name yours with --config FILE, "
                    "or make one with 'bxhook init DIR'");
    }
    if (errno == EACCES && ::geteuid() != 0) {
        throw Error("cannot read '" + path + "': " + std::strerror(EACCES) +
                    " (run the command with sudo, or as the user that bxhook runs as)");
    }
}

}  // namespace

ConfigPtr config_of(const Arguments& args, ConfigPart part) {
    std::string path = find_config(args.value("--config"));
    require_readable(path);
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
