#include "cli/held.h"

#include <algorithm>

#include "base/error.h"

namespace bx {

namespace {

bool waits(const DeliveryRecord& delivery) { return delivery.state == DeliveryState::waiting; }

void add_reason(DeliveryRecord& delivery, const HookSet& hooks) {
    const Hook* hook = hooks.find(delivery.hook);
    if (!hook || !hook->settings.disabled) return;
    const std::string reason = disabled_reason(*hook);
    const bool known = delivery.reason.empty() || delivery.reason == reason;
    delivery.reason = known ? reason : reason + "; " + delivery.reason;
}

}  // namespace

void HeldReasons::refresh() {
    try {
        const bool is_new = file_.refresh() == ConfigFile::Change::loaded;
        if (!file_.current()) return;
        const std::string& dir = file_.current()->hooks_dir;
        if (!is_new && hooks_ && hooks_->stamp() == HookSet::stamp_of(dir)) return;
        hooks_ = HookSet::load(*file_.current());
    } catch (const Error&) {
        hooks_.reset();
    }
}

void HeldReasons::explain(DeliveryRecord& delivery) {
    if (!waits(delivery)) return;
    refresh();
    if (hooks_) add_reason(delivery, *hooks_);
}

void HeldReasons::explain(std::span<ListRow> rows) {
    const auto is_waiting = [](const ListRow& row) {
        return row.delivery && waits(*row.delivery);
    };
    if (std::ranges::none_of(rows, is_waiting)) return;
    refresh();
    if (!hooks_) return;
    for (ListRow& row : rows) {
        if (is_waiting(row)) add_reason(*row.delivery, *hooks_);
    }
}

}  // namespace bx
