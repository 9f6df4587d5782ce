// The answer to a request, as plain values, and the words the contract has for it.
#pragma once

#include <string>
#include <string_view>

#include "gateway/refusal.h"
#include "store/records.h"

namespace bx {

// The views are of constants.
struct Answer {
    int status = 200;
    std::string_view phrase = "OK";  // of the status line
    std::string_view content_type = "application/json";
    std::string_view extra_headers;  // complete lines: "Allow: GET, HEAD, POST\r\n"
    std::string body;
    bool head = false;  // send no body
};

// {"status":"ok","event":1042}
Answer accepted_answer(EventNumber number);

// {"status":"ok","event":null}: accepted, and not an event yet.
Answer held_answer();

// The page of an application, which the portal shows in a frame: SHOWN, HTML, or a built-in line;
// with FINISH it ends the installation.  It says nothing of the request.
Answer page_answer(std::string_view shown, bool finish);

// {"status":"error","error":WORD,"message":...}, with the headers that belong to it.
Answer refusal_answer(const RequestRefusal& refusal);

// A line of plain text: what a person sees in a browser.
Answer line_answer(std::string_view line, bool head);

// The CGI response (RFC 3875, 6.3): "Status: 200 OK\r\n...\r\n\r\nbody".
std::string cgi_response(const Answer& answer);

}  // namespace bx
