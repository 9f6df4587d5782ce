// What a hook gets: stdin, argv and environment for one run, made of the event and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hooks/hooks.h"
#include "store/records.h"

namespace bx {

// The hook's PATH, unless its env says otherwise.
inline constexpr std::string_view search_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Launch {
    std::string program;
    std::vector<std::string> argv;  // argv[0] is the program
    std::vector<std::string> env;   // "NAME=value"
    std::string dir;
    std::string input;              // stdin: the event as JSON and LF
    std::vector<std::string> secrets;  // to be masked in what it prints (mask.h)
    std::string refusal;            // not empty: the delivery is dead for this reason, run nothing
};

// CLAIM's run of HOOK, with the variable HOME; TZ is the worker's own.
Launch prepare_launch(const Claim& claim, const Hook& hook, const std::string& home);

// This process's user's, "/" for one without: what HOME is to be.
std::string own_home();

// One argument template: {path.in.event} replaced, {{ a brace.  REFUSAL is set when a path is
// missing, an array, secret, over 64 KB or holds NUL.
std::string expand_argument(const std::string& text, const Tree& body, std::string& refusal);

}  // namespace bx
