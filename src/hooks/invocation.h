// What a hook gets: stdin, argv and environment for one run, made of the event and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "hooks/hooks.h"
#include "store/records.h"

namespace bx {

// The hook's PATH, unless its env says otherwise.
inline constexpr std::string_view search_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// How a hook is run.
struct Invocation {
    std::string program;            // absolute path
    std::vector<std::string> argv;  // argv[0] is the program
    std::vector<std::string> env;   // "NAME=value"
    std::string dir;                // working directory
    std::string input;              // stdin: the event as JSON and LF
    // To be masked in what it prints (mask.h).
    std::vector<std::string> secrets;
    std::string refusal;            // not empty: the delivery is dead for this reason, run nothing
};

// Where hooks run: the same for all of them.
struct Surroundings {
    std::string home;    // HOME
    std::string binary;  // BXHOOK: by which a hook calls this program
    std::string config;  // BXHOOK_CONFIG: the path of the configuration that it then reads
};

// Those of hooks that this process starts: its user's home directory ("/" for one without) and this
// program as it lies on the disk now.  Throws Error.
Surroundings own_surroundings(const std::string& config_path);

// For CLAIM's run of HOOK, which begins NOW (wall).  TZ is the worker's own.
Invocation prepare_invocation(const Claim& claim, const Hook& hook,
                              const Surroundings& surroundings, Millis now);

// What keeps the template TEXT from ever becoming an argument, or makes that unlikely; `place` and
// `fix` are the caller's to fill.
std::vector<Problem> argument_problems(const std::string& text);

}  // namespace bx
