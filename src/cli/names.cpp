#include "cli/names.h"

#include "cli/no_match.h"
#include "report/story.h"
#include "store/outcomes.h"

namespace bx {

DeliveryName complete(View& view, const DeliveryName& name) {
    const StoredEvent event = stored_event(view, name.event);
    std::string known;
    std::size_t count = 0;
    for (const DeliveryRecord& record : view.deliveries(name.event)) {
        if (record.hook == name.hook) return name;
        known += " " + to_string({name.event, record.hook});
        ++count;
    }
    if (!name.hook.empty() || count == 0) {
        throw Error(no_delivery(name.event, name.hook, event.state));
    }
    std::string only = known.substr(1);
    if (count == 1) return *delivery_name(only);
    throw Error("event " + to_string(name) + " has several deliveries, name one:" + known);
}

std::vector<std::string> names_of(const HookSet& hooks) {
    std::vector<std::string> names;
    for (const Hook& hook : hooks.hooks()) {
        if (names.empty() || names.back() != hook.name) names.push_back(hook.name);
    }
    return names;
}

std::string no_hook(const std::string& name, const HookSet& hooks) {
    return no_hook(name, names_of(hooks));
}

}  // namespace bx
