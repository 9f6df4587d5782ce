// Why what waits for a disabled hook does not run: no store knows it, since a person may disable a
// hook when its deliveries have long been made.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "config/config_file.h"
#include "hooks/hooks.h"
#include "store/records.h"

namespace bx {

class HeldReasons {
public:
    // CONFIG_PATH is looked at when a delivery waits, and then each time whether it, or hooks_dir,
    // changed.  Where configuration or hooks cannot be read nothing is explained: `check` says why.
    explicit HeldReasons(std::string config_path)
        : file_(ConfigFile::pending(std::move(config_path), ConfigPart::all)) {}

    // Puts the reason of its hook before that of DELIVERY, where it waits for one that is disabled:
    // "disabled: ONCRMDEALADD.sh.disabled", "disabled; exit 1".
    void explain(DeliveryRecord& delivery);
    void explain(std::span<ListRow> rows);

private:
    void refresh();

    ConfigFile file_;
    std::optional<HookSet> hooks_;  // as they were at the last look; none: they cannot be read
};

}  // namespace bx
