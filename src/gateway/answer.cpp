#include "gateway/answer.h"

#include "base/json.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::string_view retry_after = "Retry-After: 5\r\n";  // seconds

std::string_view phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 403: return "Forbidden";
        case 405: return "Method Not Allowed";
        case 413: return "Content Too Large";
        case 415: return "Unsupported Media Type";
        default: return "Service Unavailable";
    }
}

}  // namespace

Answer accepted_answer(EventNumber number) {
    Answer answer;
    JsonWriter json(answer.body);
    json.begin_object().field("status", "ok").field("event", number).end_object();
    answer.body += '\n';
    return answer;
}

Answer refusal_answer(int status, std::string_view word, std::string_view message) {
    Answer answer;
    answer.status = status;
    if (status == 405) answer.extra_headers = "Allow: GET, HEAD, POST\r\n";
    if (status == 503) answer.extra_headers = retry_after;
    JsonWriter json(answer.body);
    json.begin_object().field("status", "error").field("error", word);
    json.field("message", printable(message, 500)).end_object();
    answer.body += '\n';
    return answer;
}

Answer line_answer(std::string_view line, bool head) {
    Answer answer;
    answer.content_type = "text/plain; charset=utf-8";
    answer.body.append(line).append("\n");
    answer.head = head;
    return answer;
}

std::string cgi_response(const Answer& answer) {
    std::string text = "Status: " + std::to_string(answer.status) + " ";
    text.append(phrase(answer.status)).append("\r\nContent-Type: ").append(answer.content_type);
    text.append("\r\nContent-Length: ").append(std::to_string(answer.body.size())).append("\r\n");
    // A cache that kept one would answer for a gateway that is stopped.
    text.append("Cache-Control: no-store\r\n");
    text.append(answer.extra_headers).append("\r\n");
    if (!answer.head) text += answer.body;
    return text;
}

}  // namespace bx
