// Bodies as application/x-www-form-urlencoded.
#pragma once

#include <string>

#include "form/form_error.h"
#include "form/tree.h"

namespace bx {

// Segments between '&' count as fields, empty ones too; a trailing '&' adds none.  The names go by
// assign_variable.  Throws FormError (fields before depth).
Tree decode_urlencoded(std::string body, const FormLimits& limits);

}  // namespace bx
