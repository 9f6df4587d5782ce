// The first line of a script, which names the program that runs it.
#pragma once

#include <string>
#include <string_view>

namespace bx {

struct Hook;

// True when PROGRAM, a name or a path, is one that HOOK finds: in the PATH that it gets.
bool finds_program(const Hook& hook, const std::string& program);

// Advice for HOOK's program, which begins with BEGIN and has no such line: "its first line could be:
// #!/usr/bin/env php".  A guess by its name and first bytes: only the person knows what it is written
// in.  Says so where HOOK does not find that interpreter.
std::string first_line_advice(const Hook& hook, std::string_view begin);

}  // namespace bx
