// Bodies as application/json.
#pragma once

#include <string>

#include "form/form_error.h"
#include "form/tree.h"

namespace bx {

// The body is an object; numbers become their literal text, true and false "1" and "0"; null and
// empty arrays are dropped; the last of a repeated key wins.  Keys are plain: no rule for brackets,
// dots or blanks; one that holds NUL is malformed, as a form cannot have it.  Every scalar, null
// and empty array or object counts as a field; `depth` counts the levels below the outer object.
// Throws FormError.
Tree decode_json(const std::string& body, const FormLimits& limits);

}  // namespace bx
