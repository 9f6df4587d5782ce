#include "gateway/request.h"

#include "base/text.h"

namespace bx {

Request request_from(const MetaVariables& variable) {
    auto text = [&variable](const char* name) {
        const char* value = variable(name);
        return std::string(value ? value : "");
    };
    Request request;
    request.method = text("REQUEST_METHOD");
    request.path = text("SCRIPT_NAME") + text("PATH_INFO");
    request.query = text("QUERY_STRING");
    request.content_type = text("CONTENT_TYPE");
    request.content_encoding = text("HTTP_CONTENT_ENCODING");
    request.authorization = text("HTTP_AUTHORIZATION");
    request.post_key = text("BXHOOK_KEY");
    request.remote_addr = text("REMOTE_ADDR");
    // A server that does not know the length sends it empty (nginx with fastcgi_request_buffering
    // off) or as -1 (Caddy).
    std::string length = text("CONTENT_LENGTH");
    if (!length.empty() && length != "-1") request.content_length = std::move(length);
    return request;
}

std::optional<std::size_t> declared_length(const Request& request) {
    std::optional<std::int64_t> number = parse_number(request.content_length.value_or(""));
    if (!number) return std::nullopt;
    return static_cast<std::size_t>(*number);
}

}  // namespace bx
