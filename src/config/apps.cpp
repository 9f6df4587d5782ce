#include "config/apps.h"

#include <map>
#include <string>

namespace bx {

namespace {

void check_without_id(const App& app, const std::vector<Setting>& settings, Problems& problems) {
    for (const Setting& setting : settings) {
        if (setting.key == "server" || setting.key == "page") continue;
        const Problems::InLine here(problems, setting.line);
        problems.add(app.place + ": " + setting.key,
                     "needs 'client_id' in this block: without one it takes installations of any "
                     "application, which wait until their client_id has a block");
    }
}

}  // namespace

void check_app(const App& app, const std::vector<Setting>& settings, Problems& problems) {
    if (app.client_id.empty()) return check_without_id(app, settings, problems);
    if (app.client_secret.empty()) {
        problems.add(app.place, "has no client_secret: Bitrix24 shows it beside the client_id");
    }
    if (!app.events.empty() && app.url.empty()) {
        problems.add(app.place, "has 'events' but no 'url': add the URL that they go to");
    }
}

void check_duplicates(const std::vector<App>& apps, Problems& problems) {
    std::map<std::string, const App*> first;
    for (const App& app : apps) {
        const auto [found, is_new] = first.try_emplace(app.client_id, &app);
        if (is_new) continue;
        const std::string& place = found->second->place;
        problems.add(app.place, app.client_id.empty()
                                    ? "has no client_id, which only one app block may: " + place +
                                          " has none too"
                                    : "client_id " + quoted(app.client_id) +
                                          " is already used by " + place);
    }
}

}  // namespace bx
