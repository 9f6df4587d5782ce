#include "form/form_error.h"

namespace bx {

FormError FormError::too_many_fields(std::size_t fields, std::size_t limit) {
    return {Problem::too_many_fields, std::to_string(fields) + " fields are over the limit of " +
                                          std::to_string(limit) + " (limits.fields)"};
}

FormError FormError::too_deep(unsigned limit) {
    return {Problem::too_deep,
            "a field is more than " + std::to_string(limit) + " levels deep (limits.depth)"};
}

FormError FormError::malformed(const std::string& message) {
    return {Problem::malformed, message};
}

}  // namespace bx
