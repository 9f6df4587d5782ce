#include "cli/bulk.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/escape.h"
#include "base/fd.h"
#include "cli/confirm.h"
#include "cli/filter.h"
#include "cli/no_match.h"
#include "cli/output.h"
#include "cli/terminal/progress.h"

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

// The states that are asked for in bulk.
std::vector<RowState> chosen_states(const ListFilter& filter, const BulkAction& action) {
    if (filter.states.empty()) return {action.states.front()};
    for (const RowState state : filter.states) {
        if (std::ranges::find(action.states, state) != action.states.end()) continue;
        std::string known;
        for (const RowState one : action.states) {
            known += (known.empty() ? "" : ", ") + std::string(name_of(one));
        }
        throw UsageError(std::string(action.verb) + ": --state " + std::string(name_of(state)) +
                         " cannot be chosen in bulk (" + known + " can)");
    }
    return filter.states;
}

// What filters have chosen.
struct Choice {
    std::vector<DeliveryName> names;  // in the order of their lanes
    std::map<RowState, std::size_t> counts;

    // "3 dead deliveries, 2 skipped events"; of STATES the first where there is nothing.
    std::string text(std::span<const RowState> states) const {
        std::string text;
        for (const auto& [state, count] : counts) {
            text += (text.empty() ? "" : ", ") + counted(count, state);
        }
        return text.empty() ? counted(0, states.front()) : text;
    }
};

Choice chosen_rows(View& view, const ListFilter& filter) {
    Choice choice;
    for_rows(view, filter, [&choice](std::span<ListRow> rows) {
        for (const ListRow& row : rows) {
            choice.names.push_back(place_of(row));
            ++choice.counts[state_of(row)];
        }
    });
    std::ranges::reverse(choice.names);
    return choice;
}

std::vector<DeliveryName> choose_in_bulk(const Arguments& args, Store& store,
                                         const BulkAction& action) {
    const std::string verb(action.verb);
    ListFilter filter = filter_of(args);
    filter.states = chosen_states(filter, action);
    filter.limit = std::numeric_limits<std::size_t>::max();
    Choice choice = chosen_rows(store.view(), filter);
    const std::string count = choice.text(filter.states);
    if (choice.names.empty()) {
        print(count + ", nothing to " + verb + "\n");
        tell_no_match(args, store.view(), filter);
        return {};
    }
    if (!is_confirmed(args, verb + " " + count + "?")) return {};
    return std::move(choice.names);
}

// "retried 1042: 3 deliveries, without tokens (already erased)"
std::string told(const DeliveryName& name, const BulkAction& action, const Reply& reply) {
    std::string text = std::string(action.past) + " " + to_string(name);
    if (reply.count > 1) text += ": " + std::to_string(reply.count) + " deliveries";
    if (reply.done && !reply.text.empty()) text += ", " + printable(reply.text);
    return text + "\n";
}

// "retried 5 of 6, 2 without tokens (already erased)"
std::string told(const BulkAction& action, std::size_t done, std::size_t count,
                 std::size_t without_tokens) {
    std::string text = std::string(action.past) + " " + std::to_string(done) + " of " +
                       std::to_string(count);
    if (without_tokens > 0) {
        text += ", " + std::to_string(without_tokens) + " without tokens (already erased)";
    }
    return text + "\n";
}

}  // namespace

Reply reply_of(const Outcome& outcome) {
    const bool without_tokens = outcome.done() && outcome.secrets_erased;
    return {outcome.done(), outcome.count, text_of(outcome), without_tokens};
}

std::vector<Option> bulk_options() {
    std::vector<Option> options = filter_options();
    options.push_back({"--all", "", "in bulk, without a filter"});
    options.push_back(yes_option());
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
    chosen_states(filter_of(args), action);
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
    std::size_t without_tokens = 0;
    bool all = true;
    for (const DeliveryName& name : names) {
        const Reply reply = action.perform(name);
        done += reply.done ? 1 : 0;
        without_tokens += reply.without_tokens ? 1 : 0;
        if (bulk) progress.at(done, names.size());
        else if (reply.count > 0) print(told(name, action, reply));
        if (reply.done) continue;
        all = false;
        progress.clear();
        std::string reason = "bxhook: " + printable(reply.text) + "\n";
        if (!write_all(STDERR_FILENO, reason)) return false;
    }
    progress.clear();
    if (bulk && !names.empty()) print(told(action, done, names.size(), without_tokens));
    return all;
}

}  // namespace bx
