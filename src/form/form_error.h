// How much a body may hold, and why one is refused.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace bx {

struct FormLimits {
    std::size_t fields = 1000;
    unsigned depth = 64;  // levels of arrays
};

// Why a body was refused.  what() names the limit and the number that passed it, or the place.
class FormError : public Error {
public:
    enum class Problem { too_many_fields, too_deep, malformed };
    FormError(Problem why, const std::string& message) : Error(message), problem_(why) {}
    static FormError too_many_fields(std::size_t fields, std::size_t limit);
    static FormError too_deep(unsigned limit);
    static FormError malformed(const std::string& message);

    Problem problem() const { return problem_; }

private:
    Problem problem_;
};

}  // namespace bx
