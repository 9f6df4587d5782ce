// From the bytes of a body to a Tree, exactly as PHP 8 fills $_POST.
//
// The rules are PHP's own (main/php_variables.c, main/rfc1867.c), measured on 8.2; what PHP would
// cut silently is refused here.  Decoding is linear in the body, bounded before anything is
// built, and never recurses.
#pragma once

#include <string>
#include <string_view>

#include "form/form_error.h"
#include "form/json_form.h"
#include "form/multipart.h"
#include "form/tree.h"
#include "form/urlencoded.h"

namespace bx {

enum class MediaType { form, multipart, json, other };

// CONTENT_TYPE up to the first ';', ',' or blank, in any case.
MediaType media_type(std::string_view content_type);

// Decodes BODY as its CONTENT_TYPE says; TYPE other than `other`.  Throws FormError.
Tree decode_body(std::string body, std::string_view content_type, const FormLimits& limits);

}  // namespace bx
