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
#include "report/wording.h"

namespace bx {

namespace {

bool is_bulk(const Arguments& args) {
    return args.words().empty();
}

std::string counted_rows(std::size_t count, RowState state) {
    const std::string name(name_of(state));
    const bool events = is_of_event(state);
    return counted(static_cast<std::int64_t>(count), name + (events ? " event" : " delivery"),
                   name + (events ? " events" : " deliveries"));
}

// The states that are asked for in bulk.
std::vector<RowState> chosen_states(const ListFilter& filter, const BulkAction& action) {
    if (filter.states.empty()) return {action.states.front()};
    for (const RowState state : filter.states) {
        if (std::ranges::find(action.states, state) != action.states.end()) continue;
        const std::string known = joined_names(action.states, ", ");
        throw UsageError(std::string(action.verb) + ": --state " + std::string(name_of(state)) +
                         " cannot be chosen in bulk (" + known + " can)");
    }
    return filter.states;
}

// What filters have chosen.
struct Choice {
    std::vector<Chosen> rows;  // in the order of their lanes
    std::map<RowState, std::size_t> counts;

    // "3 dead deliveries, 2 skipped events"; of STATES the first where there is nothing.
    std::string text(std::span<const RowState> states) const {
        std::string text;
        for (const auto& [state, count] : counts) {
            text += (text.empty() ? "" : ", ") + counted_rows(count, state);
        }
        return text.empty() ? counted_rows(0, states.front()) : text;
    }
};

Choice chosen_rows(View& view, const ListFilter& filter) {
    Choice choice;
    for_rows(view, filter, [&choice](std::span<ListRow> rows) {
        for (const ListRow& row : rows) {
            choice.rows.push_back({place_of(row), state_of(row)});
            ++choice.counts[state_of(row)];
        }
    });
    std::ranges::reverse(choice.rows);
    return choice;
}

std::vector<Chosen> choose_in_bulk(const Arguments& args, Store& store,
                                   const BulkAction& action) {
    const std::string verb(action.verb);
    ListFilter filter = filter_of(args);
    filter.states = chosen_states(filter, action);
    filter.limit = std::numeric_limits<std::size_t>::max();
    Choice choice = chosen_rows(store.view(), filter);
    const std::string count = choice.text(filter.states);
    if (choice.rows.empty()) {
        print(count + ", nothing to " + verb + "\n");
        tell_no_match(args, store.view(), filter);
        return {};
    }
    if (!is_confirmed(args, verb + " " + count + "?")) return {};
    return std::move(choice.rows);
}

// "retried 1042: 3 deliveries, without tokens (already erased)"
std::string line_of(const DeliveryName& name, const BulkAction& action, const Reply& reply) {
    std::string text = std::string(action.past) + " " + to_string(name);
    if (reply.count > 1) text += ": " + std::to_string(reply.count) + " deliveries";
    if (reply.done && !reply.text.empty()) text += ", " + printable(reply.text);
    return text + "\n";
}

// What came of all.
struct Sums {
    std::size_t done = 0, changed = 0, without_tokens = 0;

    void add(const Reply& reply) {
        done += reply.done ? 1 : 0;
        changed += reply.has_changed ? 1 : 0;
        without_tokens += reply.without_tokens ? 1 : 0;
    }
};

// "retried 5 of 6, 1 changed meanwhile, 2 without tokens (already erased)"
std::string summary(const BulkAction& action, const Sums& sums, std::size_t count) {
    std::string text = std::string(action.past) + " " + std::to_string(sums.done) + " of " +
                       std::to_string(count);
    if (sums.changed > 0) text += ", " + std::to_string(sums.changed) + " changed meanwhile";
    if (sums.without_tokens > 0) {
        text += ", " + std::to_string(sums.without_tokens) + " without tokens (already erased)";
    }
    return text + "\n";
}

}  // namespace

Reply reply_of(const Outcome& outcome) {
    const bool without_tokens = outcome.done() && outcome.secrets_erased;
    return {outcome.done(), outcome.count, text_of(outcome), without_tokens,
            outcome.reason == Outcome::Reason::left_state};
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

std::vector<Chosen> choose(const Arguments& args, Store& store, const BulkAction& action) {
    if (is_bulk(args)) return choose_in_bulk(args, store, action);
    std::vector<Chosen> named;
    for (const std::string& word : args.words()) named.push_back({parse_delivery_name(word)});
    return named;
}

bool perform(const Arguments& args, std::span<const Chosen> all, const BulkAction& action) {
    const bool bulk = is_bulk(args);
    Progress progress{std::string(action.past)};
    Sums sums;
    bool good = true;
    for (const Chosen& row : all) {
        const Reply reply = action.perform(row);
        sums.add(reply);
        if (bulk) progress.at(sums.done, all.size());
        else if (reply.count > 0) print(line_of(row.name, action, reply));
        if (reply.done || reply.has_changed) continue;
        good = false;
        progress.clear();
        std::string reason = "bxhook: " + printable(reply.text) + "\n";
        if (!write_all(STDERR_FILENO, reason)) return false;
    }
    progress.clear();
    if (bulk && !all.empty()) print(summary(action, sums, all.size()));
    return good;
}

}  // namespace bx
