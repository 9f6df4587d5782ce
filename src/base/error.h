// The program's errors.
//
// A fault (disk full, broken config, database gone) throws an Error; what a function is asked to
// decide (may this caller in? did the hook succeed?) is its return value.
//
// main catches every Error.  Before it one is caught only where something else is done about it: a
// loop (gateway, worker) logs it and goes on with the next request, event or run; `check` and
// `status` tell it beside what they find elsewhere; a more precise or a more general Error is thrown
// in its place.
//
// Texts follow git's form: lower case, no full stop, what failed first, the subject in quotes, then
// the cause: cannot open '/srv/bx/state/queue.db': disk I/O error
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace bx {

class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// The command line is wrong: exit status 2.
class UsageError : public Error {
public:
    using Error::Error;
};

// "WHAT: strerror(CODE)" as an Error.
Error system_error(std::string_view what, int code);

// Throws system_error(WHAT, errno).  Call it before anything else can change errno.
[[noreturn]] void throw_errno(std::string_view what);

}  // namespace bx
