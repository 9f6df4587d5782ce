#include "cli/problem_lines.h"

#include "base/escape.h"
#include "cli/terminal/colours.h"

namespace bx {

std::string problem_lines(const Screen& screen, const Problem& problem) {
    const std::string place = problem.place.empty() ? "" : printable(problem.place, 1000) + ": ";
    std::string text =
        screen.filled(screen.paint(name_of(problem.level), colour_of(problem.level)) + ": ",
                      place + printable(problem.message, 4000));
    if (!problem.fix.empty()) text += "    fix: " + visible(problem.fix) + "\n";
    return text;
}

}  // namespace bx
