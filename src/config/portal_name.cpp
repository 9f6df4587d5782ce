#include "config/portal_name.h"

#include "base/text.h"

namespace bx {

bool is_portal_name_byte(char c) {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == ':' || c == '-';
}

}  // namespace bx
