// Why a hook cannot run: what is wrong with its program, or with this run of it.
#pragma once

#include <optional>
#include <string>

namespace bx {

struct Hook;

enum class StartFault {
    ambiguous,           // another hook has its name (Hook::conflict)
    disabled,            // its file was renamed *.disabled (Hook::put_aside)
    missing,
    unreadable,          // the program's path cannot be looked at
    unsafe_permissions,
    not_executable,
    bad_interpreter,
    bad_argument,        // an argument cannot be made of the event
    failed,              // the process could not be started
};

struct StartProblem {
    StartFault fault;
    std::string reason;  // of the attempt: "not executable", "bad interpreter '/bin/nosh'"
    std::string fix;     // the command that corrects it; empty: none is known
};

// True when a later attempt would fail for the same reason, whatever is done about the hook.
constexpr bool is_permanent(StartFault fault) { return fault == StartFault::bad_argument; }

// True when what waits for the hook waits on, without an attempt, until a person has decided.
constexpr bool is_held(StartFault fault) {
    return fault == StartFault::ambiguous || fault == StartFault::disabled;
}

// Why HOOK's program may not be started now, with a fix; none: it may.  HOOKS_DIR bounds how far up
// directories are looked at (contract: "The hooks directory").
std::optional<StartProblem> start_problem(const Hook& hook, const std::string& hooks_dir);

// What makes PROGRAM, which may not be executed, executable for this process's user.
std::string make_executable_fix(const std::string& program);

}  // namespace bx
