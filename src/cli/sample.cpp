#include "cli/sample.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/output.h"
#include "event/catalog.h"
#include "form/form.h"

namespace bx {

namespace {

// `data` of a sample of CODE, as JSON.
std::string_view sample_data(const std::string& code) {
    if (const CatalogEvent* event = find_event(code)) return event->sample;
    const std::string_view near = nearest_event(code);
    remark("'" + printable(code) + "' is not a known event: its sample is data[FIELDS][ID]=1" +
           (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
    return R"({"FIELDS":{"ID":"1"}})";
}

}  // namespace

Portal sender(const Config& config, const std::string& name) {
    const std::vector<Portal>& portals = config.portals;
    if (name.empty() && portals.empty()) return {};
    auto found = std::ranges::find_if(portals, [&](const Portal& portal) {
        return name.empty() || portal.domain == lower(name) || portal.member_id == name;
    });
    if (found != portals.end()) return *found;
    // A block with neither name takes events of any portal.
    found = std::ranges::find_if(portals, [](const Portal& portal) {
        return portal.domain.empty() && portal.member_id.empty();
    });
    if (found == portals.end()) throw Error("no portal '" + printable(name) + "' in the config");
    Portal anyone = *found;
    anyone.domain = name;
    return anyone;
}

FormFields sample_form(const std::string& code, const Portal& portal, Millis now) {
    std::string domain = portal.domain.empty() ? "some-domain.bitrix24.com" : portal.domain;
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("event", upper(code)).field("event_handler_id", "655");
    json.key("data").raw(sample_data(code)).field("ts", std::to_string(now / second));
    json.key("auth").begin_object().field("access_token", "sample-access-token-of-the-user");
    json.field("expires", std::to_string((now + hour) / second)).field("expires_in", "3600");
    json.field("scope", "crm").field("domain", domain);
    json.field("server_endpoint", "https://oauth.bitrix.info/rest/").field("status", "L");
    json.field("client_endpoint", "https://" + domain + "/rest/");
    json.field("member_id", portal.member_id.empty() ? "00000000000000000000000000000000"
                                                     : portal.member_id);
    json.field("user_id", "1");
    if (!portal.tokens.empty()) json.field("application_token", portal.tokens.front());
    json.end_object().end_object();
    return FormFields(decode_json(text, FormLimits{}));
}

}  // namespace bx
