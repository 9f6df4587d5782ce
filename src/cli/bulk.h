// What `retry` and `cancel` share: a person wishes something for deliveries, by name or in bulk.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "cli/command.h"

namespace bx {

// A kind of wish, in words and deeds.
struct WishKind {
    std::string_view verb;                        // "retry"
    std::string_view past;                        // "retried"
    std::span<const RowState> states;             // that a bulk wish may choose; the first unless
                                                  // --state says another
    std::function<Wish(const DeliveryName&)> fulfil;
};

// The options of the bulk form: the filters, --all, --yes.
std::vector<Option> bulk_options();

// What ARGS choose: the names given, or in bulk those the filters choose.  A bulk wish needs a
// filter or --all, shows its count and asks; where nobody can be asked it needs --yes.  Throws
// UsageError.  Empty: nothing was chosen, or the person said no.
std::vector<DeliveryName> choose(const Arguments& args, Store& store, const WishKind& kind);

// Checks ARGS as `choose` will, before a store is opened.
void check_choice(const Arguments& args, const WishKind& kind);

// Fulfils them one by one and tells of each, in bulk how many.  False when one could not be; the
// others are done.
bool fulfil(const Arguments& args, std::span<const DeliveryName> names, const WishKind& kind);

}  // namespace bx
