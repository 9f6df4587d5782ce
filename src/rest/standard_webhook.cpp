#include "rest/standard_webhook.h"

#include "base/base64.h"
#include "base/sha256.h"
#include "config/secrets.h"

namespace bx {

std::optional<std::string> webhook_key(std::string_view secret) {
    if (secret.starts_with(webhook_prefix)) secret.remove_prefix(webhook_prefix.size());
    std::optional<std::string> key = decode_base64(secret);
    if (key && key->empty()) key.reset();
    return key;
}

std::vector<std::string> webhook_headers(std::string_view id, Millis now, std::string_view body,
                                         const std::optional<std::string>& key) {
    const std::string name(id);
    const std::string timestamp = std::to_string(now / second);
    std::vector<std::string> headers{"webhook-id: " + name, "webhook-timestamp: " + timestamp};
    if (!key) return headers;
    const std::string content = name + "." + timestamp + "." + std::string(body);
    headers.push_back("webhook-signature: v1," + encode_base64(hmac_sha256(*key, content)));
    return headers;
}

}  // namespace bx
