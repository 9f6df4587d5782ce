#include "rest/form_request.h"

#include "base/url.h"

namespace bx {

HttpRequest form_request(std::string url, const FormFields& fields) {
    std::string body;
    for (const auto& [name, value] : fields) {
        if (!body.empty()) body += '&';
        body.append(name).append("=").append(percent_encoded(value, "-._~"));
    }
    return {.url = std::move(url), .body = std::move(body)};
}

}  // namespace bx
