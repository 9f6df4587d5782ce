#include "gateway/config_reload.h"

#include <utility>

namespace bx {

ConfigReload::ConfigReload(std::string path, ConfigPart part, Log& log)
    : file_(ConfigFile::pending(std::move(path), part)),
      log_(log),
      dir_(file_id(directory_of(file_.path()))) {}

bool ConfigReload::is_due(bool force) {
    const Millis now = steady_now();
    if (force) next_look_.set(now);
    return next_look_.every(second, now);
}

bool ConfigReload::load_changed(bool force) {
    const bool first = !current();
    switch (file_.refresh(force)) {
        case ConfigFile::Change::none:
            return false;
        case ConfigFile::Change::loaded:
            return true;
        case ConfigFile::Change::refused:
            break;
    }
    log_.error(first ? "no valid config" : "config refused, still using the old one",
               {{"file", path()}, {"cause", error()}});
    return false;
}

}  // namespace bx
