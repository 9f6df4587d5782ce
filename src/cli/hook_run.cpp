#include "cli/hook_run.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/moment.h"
#include "base/text.h"

namespace bx {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

}  // namespace

std::optional<HookRun> this_hook_run() {
    const std::optional<std::int64_t> number = parse_number(variable("BX_EVENT_NUMBER"));
    const std::string hook = variable("BX_HOOK");
    if (!number || hook.empty()) return std::nullopt;
    return HookRun{*number, hook};
}

std::optional<Millis> end_of_hook() {
    const std::optional<std::int64_t> deadline = parse_number(variable("BX_DEADLINE"));
    if (!deadline) return std::nullopt;
    const Millis left = (std::min(*deadline, last_moment) - 1) * second - wall_now();
    return steady_now() + std::max<Millis>(left, 1);
}

}  // namespace bx
