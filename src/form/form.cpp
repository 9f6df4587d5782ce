#include "form/form.h"

#include <utility>

#include "base/text.h"

namespace bx {

MediaType media_type(std::string_view content_type) {
    const std::string_view type = content_type.substr(0, content_type.find_first_of(";, "));
    if (equal_ignoring_case(type, "application/x-www-form-urlencoded")) return MediaType::form;
    if (equal_ignoring_case(type, "multipart/form-data")) return MediaType::multipart;
    if (equal_ignoring_case(type, "application/json")) return MediaType::json;
    return MediaType::other;
}

Tree decode_body(std::string body, std::string_view content_type, const FormLimits& limits) {
    switch (media_type(content_type)) {
        case MediaType::form:
            return decode_urlencoded(std::move(body), limits);
        case MediaType::multipart:
            return decode_multipart(body, content_type, limits);
        case MediaType::json:
            return decode_json(body, limits);
        case MediaType::other:
            break;
    }
    throw FormError::malformed("this content type cannot be decoded");
}

}  // namespace bx
