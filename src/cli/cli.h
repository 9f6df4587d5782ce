// Runs a command by its name; command.h has the table.
#pragma once

#include <span>
#include <string>

namespace bx {

// Runs the command ARGS[0] with its arguments; gives the exit status.  Throws UsageError (2) and
// Error (1); main prints them.
int run_command(std::span<const std::string> args);

}  // namespace bx
