#include "hooks/first_line.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "hooks/hooks.h"
#include "hooks/invocation.h"

namespace bx {

namespace {

std::string path_of(const Hook& hook) {
    for (const auto& [name, value] : hook.settings.env) {
        if (name == "PATH") return value;
    }
    return std::string(search_path);
}

// The name of the interpreter; of a script that may be for any shell, none.
std::string likely_interpreter(const std::string& program, std::string_view begin) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> languages{{
        {".php", "php"}, {".py", "python3"}, {".pl", "perl"}, {".rb", "ruby"}, {".js", "node"}}};
    if (begin.starts_with("<?")) return "php";
    for (const auto& [extension, interpreter] : languages) {
        if (program.ends_with(extension)) return std::string(interpreter);
    }
    return {};
}

}  // namespace

bool finds_program(const Hook& hook, const std::string& program) {
    if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
    const std::string path = path_of(hook);
    return std::ranges::any_of(split(path, ':'), [&](std::string_view dir) {
        return ::access(absolute_path(std::string(dir), program).c_str(), X_OK) == 0;
    });
}

std::string first_line_advice(const Hook& hook, std::string_view begin) {
    const std::string interpreter = likely_interpreter(hook.program, begin);
    const std::string could_be = "its first line could be: ";
    if (interpreter.empty()) return could_be + "#!/bin/sh";
    if (finds_program(hook, interpreter)) return could_be + "#!/usr/bin/env " + interpreter;
    return could_be + "#!/WHERE/IT/IS/" + interpreter + " (" + interpreter +
           " is not in the hook's PATH)";
}

}  // namespace bx
