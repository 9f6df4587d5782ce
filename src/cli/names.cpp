#include "cli/names.h"

#include <string_view>
#include <vector>

#include "base/text.h"
#include "report/story.h"
#include "store/outcomes.h"

namespace bx {

namespace {

constexpr std::size_t names_shown = 5;  // of hooks, where none is like the one meant

}  // namespace

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

std::string no_hook(const std::string& name, const HookSet& hooks) {
    std::vector<std::string_view> names;
    for (const Hook& hook : hooks.hooks()) names.emplace_back(hook.name);
    std::string text = "there is no hook '" + name + "'";
    const std::string_view near = nearest(name, names);
    if (!near.empty()) return text + ", did you mean '" + std::string(near) + "'?";
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i == names_shown) return text + ", ...";
        text += (i == 0 ? "; there are " : ", ") + std::string(names[i]);
    }
    return text;
}

}  // namespace bx
