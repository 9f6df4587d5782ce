#include "rest/bindings.h"

#include <utility>

#include "base/text.h"
#include "rest/form_request.h"

namespace bx {

HttpRequest bind_request(const std::string& client_endpoint, const std::string& access_token,
                         std::string_view event, const std::string& handler) {
    return form_request(client_endpoint + "event.bind",
                        {{"event", event}, {"handler", handler}, {"auth", access_token}});
}

HttpRequest unbind_request(const std::string& client_endpoint, const std::string& access_token,
                           std::string_view event, const std::string& handler) {
    return form_request(client_endpoint + "event.unbind",
                        {{"event", event}, {"handler", handler}, {"auth", access_token}});
}

// "Handler already binded", with a code that other refusals have too.
RestAnswer binding_of(HttpOutcome outcome, const std::string& access_token) {
    RestAnswer answer = answer_of(std::move(outcome), {access_token});
    const bool is_so = lower(answer.code) == "error_core" &&
                       lower(answer.text).find("already bind") != std::string::npos;
    if (is_so) answer.cause = RestCause::none;
    return answer;
}

}  // namespace bx
