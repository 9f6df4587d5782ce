#include "cli/filter.h"

#include <algorithm>

#include "base/escape.h"
#include "base/text.h"
#include "cli/moment.h"

namespace bx {

namespace {

constexpr std::size_t rows_at_once = 1000;

// The value of OPTION, which takes one; empty when it was not given.
std::string one_value(const Arguments& args, std::string_view option) {
    const std::vector<std::string> values = args.values(option);
    if (values.empty()) return "";
    if (values.size() > 1) throw UsageError(std::string(option) + ": it was given twice");
    if (values.front().empty()) throw UsageError(std::string(option) + ": its value is empty");
    return values.front();
}

// The values of OPTION, each once: it may be repeated, and have several with commas in between.
std::vector<std::string> several_values(const Arguments& args, std::string_view option) {
    std::vector<std::string> all;
    for (const std::string& values : args.values(option)) {
        for (const std::string_view value : split(values, ',')) {
            if (value.empty()) throw UsageError(std::string(option) + ": a value is empty");
            if (std::ranges::find(all, value) == all.end()) all.emplace_back(value);
        }
    }
    return all;
}

RowState checked_state(const std::string& text) {
    if (const std::optional<RowState> state = row_state(text)) return *state;
    throw UsageError("--state: '" + printable(text) + "' is not a state (" +
                     joined_names(row_states(), " ") + ")");
}

Millis checked_moment(std::string_view option, const std::string& text, Millis now) {
    if (const std::optional<Millis> moment = parse_moment(text, now)) return *moment;
    throw UsageError(std::string(option) + ": '" + printable(text) +
                     "' is not a time: 5m, 6h, 30d (ago), 03:00, '2026-11-29 03:00', with Z in "
                     "UTC");
}

// The end of what began at FROM.  A time of day is the first one after that: at noon 09:00 to 18:00
// ends in the evening.
Millis checked_end(const std::string& text, Millis from, Millis now) {
    const Millis end = checked_moment("--to", text, now);
    if (end > from) return end;
    const bool time_of_day =
        text.find(':') != std::string::npos && text.find('-') == std::string::npos;
    const Millis later = time_of_day ? checked_moment("--to", text, now + day) : end;
    if (later > from) return later;
    throw UsageError("--to: '" + printable(text) + "' is not after --from");
}

void set_times(ListFilter& filter, const Arguments& args) {
    const Millis now = wall_now();
    if (args.has("--from") && args.has("--since")) {
        throw UsageError("--since: the same as --from, give only one of them");
    }
    for (const std::string_view option : {"--from", "--since"}) {
        const std::string text = one_value(args, option);
        if (!text.empty()) filter.from = checked_moment(option, text, now);
    }
    const std::string end = one_value(args, "--to");
    if (!end.empty()) filter.to = checked_end(end, filter.from, now);
}

}  // namespace

std::vector<Option> filter_options() {
    return {{"--state", "S,S..", "new skipped waiting running done dead merged cancelled"},
            {"--hook", "H,H..", "deliveries of these hooks"},
            {"--event", "GLOB", "events whose code matches, in any case: 'ONCRM*'"},
            {"--portal", "P", "events of that domain or member_id"},
            {"--id", "ID", "events about the entity with that id: a deal's number"},
            {"--from", "T", "received at T or later: 6h (ago), 03:00, '2026-11-29 03:00', in UTC "
                            "with Z at the end"},
            {"--to", "T", "received before T"},
            {"--since", "T", "the same as --from"}};
}

bool has_filter(const Arguments& args) {
    std::vector<Option> options = filter_options();
    return std::ranges::any_of(options,
                               [&](const Option& option) { return args.has(option.name); });
}

ListFilter filter_of(const Arguments& args) {
    ListFilter filter;
    for (const std::string& state : several_values(args, "--state")) {
        filter.states.push_back(checked_state(state));
    }
    filter.hooks = several_values(args, "--hook");
    filter.code_glob = one_value(args, "--event");
    filter.portal = one_value(args, "--portal");
    filter.id = one_value(args, "--id");
    set_times(filter, args);
    return filter;
}

void for_rows(View& view, ListFilter filter, const std::function<void(std::span<ListRow>)>& take) {
    for (std::size_t left = filter.limit; left > 0;) {
        filter.limit = std::min(left, rows_at_once);
        std::vector<ListRow> rows = view.list(filter);
        if (rows.empty()) return;
        take(rows);
        if (rows.size() < filter.limit) return;
        left -= rows.size();
        filter.beyond = place_of(rows.back());
    }
}

DeliveryName place_of(const ListRow& row) {
    return {row.event.number, row.delivery ? row.delivery->hook : ""};
}

}  // namespace bx
