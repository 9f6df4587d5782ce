#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace bx {

Error system_error(std::string_view what, int code) {
    return Error(std::string(what) + ": " + std::strerror(code));
}

void throw_errno(std::string_view what) {
    throw system_error(what, errno);
}

}  // namespace bx
