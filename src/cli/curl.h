// One HTTP request to a URL that a person typed (rest/http.h makes it).
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "rest/http.h"

namespace bx {

struct HttpAnswer {
    int status = 0;
    Millis took = 0;   // from the start, with the connection, to the end
    std::string body;  // its first megabyte
};

// The server's certificate cannot be trusted.
class CertificateError : public Error {
public:
    using Error::Error;
};

// Sends BODY by POST as CONTENT_TYPE, or asks by GET when there is none.  No redirect is followed.
// Throws CertificateError, and Error when curl is missing or gets no answer.
HttpAnswer ask_url(const std::string& url, const std::optional<std::string>& body = std::nullopt,
                   const std::string& content_type = "application/x-www-form-urlencoded",
                   Trust trust = Trust::verify);

// Throws UsageError unless URL begins with http:// or https:// and is printable.
void check_url(const std::string& url);

// URL without user, password and query: what a message may show.
std::string url_for_people(const std::string& url);

}  // namespace bx
