#include "cli/held.h"

#include "base/error.h"

namespace bx {

HookSet hooks_as_they_are(const Config& config) {
    try {
        return HookSet::load(*load_config(config.path, ConfigPart::all));
    } catch (const Error&) {
        return {};
    }
}

void explain_held(DeliveryRecord& delivery, const HookSet& hooks) {
    if (delivery.state != DeliveryState::waiting) return;
    const Hook* hook = hooks.find(delivery.hook);
    if (!hook || !hook->settings.disabled) return;
    const std::string before = delivery.reason.empty() ? "" : "; " + delivery.reason;
    delivery.reason = disabled_reason(*hook) + before;
}

void explain_held(std::span<ListRow> rows, const HookSet& hooks) {
    for (ListRow& row : rows) {
        if (row.delivery) explain_held(*row.delivery, hooks);
    }
}

}  // namespace bx
