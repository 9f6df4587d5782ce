#include "cli/sample.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/output.h"
#include "event/catalog.h"
#include "event/kinds.h"
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

constexpr std::array<PostSample, 4> samples{{
    {"ROBOT.", "a robot or activity", "bizproc", "", "document_id.2",
     R"({"workflow_id":"67f0c1a2b3c4d5.01234567","code":"my_robot",
         "document_id":["crm","CCrmDocumentDeal","DEAL_1"],
         "document_type":["crm","CCrmDocumentDeal","DEAL"],
         "event_token":"sample-event-token-of-the-workflow",
         "properties":{"comment":"two words","amount":"100"},
         "use_subscription":"Y","timeout_duration":"660","ts":"1767225600"})"},
    {"SMS.", "an SMS to be sent", "messageservice", "SMS", "message_id",
     R"({"module_id":"crm","bindings":[{"OWNER_TYPE_ID":"3","OWNER_ID":"1"}],
         "properties":{"phone_number":"+12025550100","message_text":"Hello"},
         "type":"SMS","code":"my_sender","message_id":"0123456789abcdef0123456789abcdef",
         "message_to":"+12025550100","message_body":"Hello","ts":"1767225600"})"},
    {"WEBHOOK.", "CRM's webhook robot", "", "", "document_id.2",
     R"({"document_id":["crm","CCrmDocumentDeal","DEAL_1"]})"},
    {"POST.", "anything else by the key of a post block", "", "", "",
     R"({"name":"First Last","message":"Hello"})"},
}};

void add_auth(FormFields& form, const Portal& portal, Millis now) {
    const std::string domain = portal.domain.empty() ? "some-domain.bitrix24.com" : portal.domain;
    form.set("auth.access_token", "sample-access-token-of-the-user");
    form.set("auth.expires", std::to_string((now + hour) / second));
    form.set("auth.expires_in", "3600");
    form.set("auth.scope", "crm");
    form.set("auth.domain", domain);
    form.set("auth.server_endpoint", "https://oauth.bitrix.info/rest/");
    form.set("auth.status", "L");
    form.set("auth.client_endpoint", "https://" + domain + "/rest/");
    form.set("auth.member_id", portal.member_id.empty() ? "00000000000000000000000000000000"
                                                        : portal.member_id);
    form.set("auth.user_id", "1");
    if (!portal.tokens.empty()) form.set("auth.application_token", portal.tokens.front());
}

FormFields event_fields(const std::string& code, Millis now) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("event", upper(code)).field("event_handler_id", "655");
    json.key("data").raw(sample_data(code)).field("ts", std::to_string(now / second));
    json.end_object();
    return FormFields(decode_json(text, FormLimits{}));
}

FormFields post_fields(const PostSample& sample, const std::string& code, Millis now) {
    FormFields form(decode_json(std::string(sample.fields), FormLimits{}));
    if (sample.scope.empty()) return form;
    form.set("code", code.substr(sample.prefix.size()));
    form.set("ts", std::to_string(now / second));
    return form;
}

}  // namespace

std::span<const PostSample> post_samples() { return samples; }

const PostSample* sample_of_post(std::string_view code) {
    const auto found = std::ranges::find_if(samples, [code](const PostSample& sample) {
        return is_posts_code(code) &&
               equal_ignoring_case(code.substr(0, sample.prefix.size()), sample.prefix);
    });
    return found == samples.end() ? nullptr : &*found;
}

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
    const PostSample* sample = sample_of_post(code);
    FormFields form = sample == nullptr ? event_fields(code, now) : post_fields(*sample, code, now);
    if (sample == nullptr || !sample->scope.empty()) add_auth(form, portal, now);
    return form;
}

}  // namespace bx
