#include "gateway/fastcgi.h"

#include <fcgiapp.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

namespace bx {

namespace {

std::string_view up_to_nul(std::string_view text) {
    return text.substr(0, text.find('\0'));
}

}  // namespace

Request FastcgiDecoder::decode(RawRequest raw) {
    text_.clear();
    variables_.clear();
    // A pair takes no more bytes in text_ than in the record, where its two lengths stand: text_
    // does not move while it grows.
    text_.reserve(raw.params.size());
    std::string_view left = raw.params;
    for (NameValue pair; take_name_value(left, pair);) {
        variables_.push_back(text_.data() + text_.size());
        text_.append(up_to_nul(pair.name)).append("=");
        text_.append(up_to_nul(pair.value)).append(1, '\0');
    }
    variables_.push_back(nullptr);
    Request request =
        request_from([this](const char* name) { return FCGX_GetParam(name, variables_.data()); });
    request.body = std::move(raw.body);
    request.cut = raw.cut;
    return request;
}

bool send_answer(int fd, std::uint16_t id, const Answer& answer) {
    // Both statuses: 0, FCGI_REQUEST_COMPLETE.
    constexpr std::string_view complete("\0\0\0\0\0\0\0\0", 8);
    std::string records;
    append_record(records, record::standard_output, id, cgi_response(answer));
    append_record(records, record::end_request, id, complete);
    return ::send(fd, records.data(), records.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(records.size());
}

}  // namespace bx
