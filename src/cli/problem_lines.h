// A problem as a person sees it.
#pragma once

#include <string>

#include "base/problem.h"
#include "cli/terminal/screen.h"

namespace bx {

// "error: PLACE: MESSAGE", filled to SCREEN's width, and below it "    fix: FIX" on one line, however
// long: it is there to be copied.
std::string problem_lines(const Screen& screen, const Problem& problem);

}  // namespace bx
