// Bodies as multipart/form-data (RFC 7578).
#pragma once

#include <string>
#include <string_view>

#include "form/form_error.h"
#include "form/tree.h"

namespace bx {

// Through cgicc.  The names go by assign_variable.  File parts, parts without a name and bodies
// cgicc cannot read are malformed; an empty body is an empty tree.  Throws FormError.
Tree decode_multipart(const std::string& body, std::string_view content_type,
                      const FormLimits& limits);

}  // namespace bx
