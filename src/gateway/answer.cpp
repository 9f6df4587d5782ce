#include "gateway/answer.h"

#include "base/escape.h"
#include "base/json.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::string_view built_in_page =
    "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>bxhook</title></head>\n"
    "<body><p>This application receives events. There is nothing to do here.</p>\n"
    "<p lang=\"ru\">Приложение получает события. Здесь ничего делать не нужно.</p></body></html>\n";

// Until it was called the portal gives an application neither events nor rights.
constexpr std::string_view finish_script =
    "<script src=\"https://api.bitrix24.com/api/v1/\"></script>\n"
    "<script>BX24.init(function () { BX24.installFinish(); });</script>\n";

}  // namespace

Answer accepted_answer(EventNumber number) {
    Answer answer;
    JsonWriter json(answer.body);
    json.begin_object().field("status", "ok").field("event", number).end_object();
    answer.body += '\n';
    return answer;
}

Answer held_answer() {
    Answer answer;
    JsonWriter json(answer.body);
    json.begin_object().field("status", "ok").key("event").null().end_object();
    answer.body += '\n';
    return answer;
}

Answer page_answer(std::string_view shown, bool finish) {
    Answer answer;
    answer.content_type = "text/html; charset=utf-8";
    answer.body = shown.empty() ? built_in_page : shown;
    if (finish) answer.body += finish_script;
    return answer;
}

Answer refusal_answer(const RequestRefusal& refusal) {
    const RefusalSpec& spec = spec_of(refusal.code);
    Answer answer;
    answer.status = spec.status;
    answer.phrase = spec.phrase;
    answer.extra_headers = spec.headers;
    JsonWriter json(answer.body);
    json.begin_object().field("status", "error").field("error", spec.word);
    if (spec.message.empty()) {
        json.field("message", printable(refusal.reason, 500));
    } else {
        json.field("message", spec.message);
    }
    json.end_object();
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
    text.append(answer.phrase).append("\r\nContent-Type: ").append(answer.content_type);
    text.append("\r\nContent-Length: ").append(std::to_string(answer.body.size())).append("\r\n");
    // A cache that kept one would answer for a gateway that is stopped.
    text.append("Cache-Control: no-store\r\n");
    text.append(answer.extra_headers).append("\r\n");
    if (!answer.head) text += answer.body;
    return text;
}

}  // namespace bx
