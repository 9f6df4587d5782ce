#include "worker/uninstallations.h"

namespace bx {

namespace {

constexpr std::string_view uninstall_code = "ONAPPUNINSTALL";
// Less than the 28 days after which the tokens of a chain that was never used are of no use.
constexpr Millis pending_kept = 25 * day;

}  // namespace

void Uninstallations::take(std::span<const StoredEvent* const> events) {
    for (const StoredEvent* event : events) {
        if (event->facts.code != uninstall_code || !event->installation) continue;
        if (!installations_.uninstalled(*event->installation, event->facts.ts,
                                        event->received_at)) {
            continue;
        }
        context_.unscrubbed = true;
        context_.log.info("uninstalled", {{"event", event->number},
                                          {"portal", event->facts.portal()},
                                          {"member_id", event->facts.member_id}});
    }
}

void Uninstallations::drop_old(Millis now) {
    const ConfigPtr& config = context_.live.config();
    if (!config) return;
    const std::size_t dropped =
        installations_.drop_old(now - pending_kept, now - config->retention.dead);
    if (dropped == 0) return;
    context_.unscrubbed = true;
    context_.log.info("erased old installations or held posts", {{"count", dropped}});
}

}  // namespace bx
