// Subscriptions of ours as the lists of a call.
#pragma once

#include <span>

#include "postgres/columns.h"
#include "postgres/session.h"
#include "store/installation.h"

namespace bx::postgres {

// What tells each of BINDINGS from others.
template <typename Function>
void name_bindings(Call<Function>& call, std::span<const OwnBinding> bindings) {
    using in = typename Function::In;
    call[in::event] =
        bytes_of(bindings, [](const OwnBinding& one) -> const auto& { return one.event; });
    call[in::handler] =
        bytes_of(bindings, [](const OwnBinding& one) -> const auto& { return one.handler; });
    call[in::offline] = numbers_of(bindings, [](const OwnBinding& one) { return one.offline; });
}

// The same, and what is known of each.
template <typename Function>
void describe_bindings(Call<Function>& call, std::span<const OwnBinding> bindings,
                       const Session& session) {
    using in = typename Function::In;
    name_bindings(call, bindings);
    call[in::by_hand] = numbers_of(bindings, [](const OwnBinding& one) { return one.by_hand; });
    call[in::bound] = numbers_of(
        bindings, [&](const OwnBinding& one) { return session.theirs(one.bound_at); });
}

}  // namespace bx::postgres
