// A request as a form.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rest/http.h"

namespace bx {

using FormFields = std::vector<std::pair<std::string_view, std::string_view>>;

// FIELDS, whose names need no encoding, posted to URL.
HttpRequest form_request(std::string url, const FormFields& fields);

}  // namespace bx
