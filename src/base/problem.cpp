#include "base/problem.h"

namespace bx {

std::string_view name_of(Level level) {
    return level == Level::error ? "error" : "warning";
}

std::string to_string(const Problem& problem) {
    if (problem.place.empty()) return problem.message;
    return problem.place + ": " + problem.message;
}

}  // namespace bx
