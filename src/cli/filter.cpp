#include "cli/filter.h"

#include <algorithm>

#include "base/escape.h"
#include "cli/moment.h"

namespace bx {

namespace {

RowState checked_state(const std::string& text) {
    if (const std::optional<RowState> state = row_state(text)) return *state;
    std::string known;
    for (const RowState state : row_states()) {
        known += (known.empty() ? "" : " ") + std::string(name_of(state));
    }
    throw UsageError("--state: '" + printable(text) + "' is not a state (" + known + ")");
}

Millis moment_option(const Arguments& args, std::string_view option) {
    const std::string text = args.value(option);
    if (std::optional<Millis> moment = parse_moment(text, wall_now())) return *moment;
    throw UsageError(std::string(option) + ": '" + printable(text) +
                     "' is not a time: 5m, 6h, 30d (ago), 03:00, '2026-11-29 03:00', with Z in UTC");
}

}  // namespace

std::vector<Option> filter_options() {
    return {{"--state", "S", "new skipped waiting running done dead merged cancelled"},
            {"--event", "GLOB", "events whose code matches, in any case: 'ONCRM*'"},
            {"--hook", "H", "deliveries of that hook"},
            {"--portal", "P", "events of that domain or member_id"},
            {"--since", "T", "events received since T: 6h (ago), 03:00, '2026-11-29 03:00'"}};
}

bool has_filter(const Arguments& args) {
    std::vector<Option> options = filter_options();
    return std::ranges::any_of(options,
                               [&](const Option& option) { return args.has(option.name); });
}

ListFilter filter_of(const Arguments& args) {
    ListFilter filter;
    if (args.has("--state")) filter.state = checked_state(args.value("--state"));
    filter.code_glob = args.value("--event");
    filter.hook = args.value("--hook");
    filter.portal = args.value("--portal");
    if (args.has("--since")) filter.since = moment_option(args, "--since");
    return filter;
}

}  // namespace bx
