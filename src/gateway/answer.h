// The answer to a request, as plain values, and the words the contract has for it.
#pragma once

#include <string>
#include <string_view>

#include "store/records.h"

namespace bx {

struct Answer {
    int status = 200;
    std::string content_type = "application/json";
    std::string extra_headers;  // complete lines: "Allow: GET, HEAD, POST\r\n"
    std::string body;
    bool head = false;  // send no body
};

// {"status":"ok","event":1042}
Answer accepted_answer(EventNumber number);

// {"status":"error","error":WORD,"message":...}, with the header that belongs to STATUS (Allow,
// Retry-After).
Answer refusal_answer(int status, std::string_view word, std::string_view message);

// A line of plain text: what a person sees in a browser.
Answer line_answer(std::string_view line, bool head);

// The CGI response (RFC 3875, 6.3): "Status: 200 OK\r\n...\r\n\r\nbody".
std::string cgi_response(const Answer& answer);

}  // namespace bx
