#include "cli/output.h"

#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"

namespace bx {

void print(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) throw_errno("cannot write to stdout");
}

void print_foreign(const std::string& text) {
    print(stdout_is_terminal() ? visible(text) : text);
}

bool stdout_is_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

void remark(const std::string& text) {
    [[maybe_unused]] bool shown = write_all(STDERR_FILENO, "bxhook: " + text + "\n");
}

}  // namespace bx
