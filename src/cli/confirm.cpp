#include "cli/confirm.h"

#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "base/text.h"
#include "cli/output.h"

namespace bx {

Option yes_option() { return {"--yes", "", "do not ask"}; }

bool is_confirmed(const Arguments& args, const std::string& question) {
    if (args.has("--yes")) return true;
    if (::isatty(STDIN_FILENO) != 1 || !stdout_is_terminal()) {
        throw UsageError(question + " no terminal to confirm on: add --yes");
    }
    print(question + " [y/N] ");
    std::string reply;
    std::getline(std::cin, reply);
    return equal_ignoring_case(trim(reply), "y") || equal_ignoring_case(trim(reply), "yes");
}

}  // namespace bx
