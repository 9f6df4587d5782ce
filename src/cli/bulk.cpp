#include "cli/bulk.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <limits>

#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/filter.h"
#include "cli/output.h"
#include "cli/terminal/progress.h"
#include "report/wording.h"

namespace bx {

namespace {

bool is_bulk(const Arguments& args) {
    return args.words().empty();
}

std::string counted(std::size_t count, RowState state) {
    bool events = is_of_event(state);
    std::string noun = events ? "event" : count == 1 ? "delivery" : "deliveries";
    if (events && count != 1) noun += "s";
    return std::to_string(count) + " " + std::string(name_of(state)) + " " + noun;
}

// The state that is asked for in bulk.
RowState chosen_state(const Arguments& args, const BulkAction& action) {
    const std::optional<RowState> state = filter_of(args).state;
    if (!state) return action.states.front();
    if (std::ranges::find(action.states, *state) != action.states.end()) return *state;
    std::string known;
    for (const RowState one : action.states) {
        known += (known.empty() ? "" : ", ") + std::string(name_of(one));
    }
    throw UsageError(std::string(action.verb) + ": --state " + std::string(name_of(*state)) +
                     " cannot be chosen in bulk (" + known + " can)");
}

bool can_ask() {
    return ::isatty(STDIN_FILENO) == 1 && stdout_is_terminal();
}

bool confirmed(const Arguments& args, const std::string& question) {
    if (args.has("--yes")) return true;
    if (!can_ask()) throw UsageError(question + " nobody can be asked here: --yes does it");
    print(question + " [y/N] ");
    std::string reply;
    std::getline(std::cin, reply);
    return equal_ignoring_case(trim(reply), "y") || equal_ignoring_case(trim(reply), "yes");
}

std::vector<DeliveryName> choose_in_bulk(const Arguments& args, Store& store,
                                         const BulkAction& action) {
    ListFilter filter = filter_of(args);
    filter.state = chosen_state(args, action);
    filter.limit = std::numeric_limits<std::int32_t>::max();
    std::vector<DeliveryName> names;
    for (const ListRow& row : store.view().list(filter)) {
        names.push_back({row.event.number, row.delivery ? row.delivery->hook : ""});
    }
    // In the order of their lanes.
    std::ranges::reverse(names);
    std::string count = counted(names.size(), *filter.state);
    if (names.empty()) {
        print(count + ", nothing to " + std::string(action.verb) + "\n");
    } else if (!confirmed(args, std::string(action.verb) + " " + count + "?")) {
        names.clear();
    }
    return names;
}

// "retried 1042: 3 deliveries: its secrets were erased ..."
std::string told(const DeliveryName& name, const BulkAction& action, const Reply& reply) {
    std::string text = std::string(action.past) + " " + to_string(name);
    if (reply.count > 1) text += ": " + std::to_string(reply.count) + " deliveries";
    if (reply.done && !reply.text.empty()) text += ": " + printable(reply.text);
    return text + "\n";
}

}  // namespace

Reply reply_of(const Outcome& outcome) {
    return {outcome.done(), outcome.count, text_of(outcome)};
}

std::vector<Option> bulk_options() {
    std::vector<Option> options = filter_options();
    options.push_back({"--all", "", "in bulk, without a filter"});
    options.push_back({"--yes", "", "do not ask"});
    return options;
}

void check_choice(const Arguments& args, const BulkAction& action) {
    std::string verb(action.verb);
    bool filtered = has_filter(args) || args.has("--all");
    if (!is_bulk(args)) {
        if (filtered) throw UsageError(verb + ": either names or filters");
        for (const std::string& word : args.words()) parse_delivery_name(word);
        return;
    }
    if (!filtered) throw UsageError(verb + ": name deliveries, or give a filter or --all");
    filter_of(args);
    chosen_state(args, action);
}

std::vector<DeliveryName> choose(const Arguments& args, Store& store, const BulkAction& action) {
    if (is_bulk(args)) return choose_in_bulk(args, store, action);
    std::vector<DeliveryName> names;
    for (const std::string& word : args.words()) names.push_back(parse_delivery_name(word));
    return names;
}

bool perform(const Arguments& args, std::span<const DeliveryName> names, const BulkAction& action) {
    bool bulk = is_bulk(args);
    Progress progress{std::string(action.past)};
    std::size_t done = 0;
    bool all = true;
    for (const DeliveryName& name : names) {
        const Reply reply = action.perform(name);
        done += reply.done ? 1 : 0;
        if (bulk) progress.at(done, names.size());
        else if (reply.count > 0) print(told(name, action, reply));
        if (reply.done) continue;
        all = false;
        progress.clear();
        std::string reason = "bxhook: " + printable(reply.text) + "\n";
        if (!write_all(STDERR_FILENO, reason)) return false;
    }
    progress.clear();
    if (bulk && !names.empty()) {
        print(std::string(action.past) + " " + std::to_string(done) + " of " +
              std::to_string(names.size()) + "\n");
    }
    return all;
}

}  // namespace bx
