// One HTTP request as plain values: the same whether it came by CGI or FastCGI.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace bx {

// A header or variable that did not come is empty, where nothing else is said.
struct Request {
    std::string method;
    std::string path;   // of the URL, decoded by the web server: SCRIPT_NAME + PATH_INFO
    std::string query;  // of the URL, without the '?', as it came
    std::string content_type;
    std::string content_encoding;  // of a body that is compressed
    std::string authorization;     // a secret
    std::string post_key;          // BXHOOK_KEY, which the web server sets: a secret
    std::optional<std::string> content_length;  // the header as it came; none: unknown
    std::string remote_addr;
    std::string body;     // at most Gateway::body_limit()
    bool cut = false;     // the body is as long as that limit was, or was longer
    bool broken = false;  // the body ended or failed before its end
};

// The value of a meta-variable (RFC 3875, 4.1), or null.
using MetaVariables = std::function<const char*(const char* name)>;

// The request without its body.
Request request_from(const MetaVariables& variable);

// CONTENT_LENGTH as a number; none when it is unknown or not a decimal number.
std::optional<std::size_t> declared_length(const Request& request);

}  // namespace bx
