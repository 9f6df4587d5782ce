// What `retry` and `cancel` share: a person asks for something, by the names of deliveries or in bulk.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "store/outcomes.h"
#include "store/store.h"

namespace bx {

// What is said about one name.
struct Reply {
    bool done = false;
    std::int64_t count = 0;  // deliveries (or events) changed
    std::string text;        // why not, or remarks with commas in between
    bool without_tokens = false;
    bool has_changed = false;  // it left the state that it was chosen by: nothing was done
};
Reply reply_of(const Outcome& outcome);

// What is to be acted on.
struct Chosen {
    DeliveryName name;
    std::optional<RowState> state{};  // that it was found in, in bulk
};

struct BulkAction {
    std::string_view verb;             // "retry"
    std::string_view past;             // "retried"
    std::span<const RowState> states;  // that can be chosen in bulk; the first unless --state says
                                       // others
    std::function<Reply(const Chosen&)> perform;
};

// The options of the bulk form: the filters, --all, --yes.
std::vector<Option> bulk_options();

// What ARGS choose: the names given, or in bulk those the filters choose.  In bulk it needs a
// filter or --all, shows the count and asks (cli/confirm.h), and says so where there is none.
// Throws UsageError.  Empty: nothing was chosen, or the person said no.
std::vector<Chosen> choose(const Arguments& args, Store& store, const BulkAction& action);

// Checks ARGS as `choose` will, before a store is opened.
void check_choice(const Arguments& args, const BulkAction& action);

// Performs ACTION on ALL one by one and says what came of each, in bulk how many were done.  False
// when one could not be done; the others are.  In bulk what changed meanwhile is only counted.
bool perform(const Arguments& args, std::span<const Chosen> all, const BulkAction& action);

}  // namespace bx
