#include "cli/check/findings.h"

#include <algorithm>

namespace bx {

void Findings::add(const std::vector<Problem>& problems) {
    list_.insert(list_.end(), problems.begin(), problems.end());
}

void Findings::error(const std::string& place, const std::string& message,
                     const std::string& fix) {
    add({Level::error, place, message, fix});
}

void Findings::warning(const std::string& place, const std::string& message,
                       const std::string& fix) {
    add({Level::warning, place, message, fix});
}

std::size_t Findings::errors() const {
    return static_cast<std::size_t>(std::ranges::count(list_, Level::error, &Problem::level));
}

}  // namespace bx
