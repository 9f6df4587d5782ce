#include "worker/pruner.h"

namespace bx {

namespace {

// More are damage that a person has to look at; each step asks about all of them.
constexpr std::size_t passed_over_at_most = 100;

bool is_of_one_event(const StoreError& error) {
    return dynamic_cast<const StoreDamaged*>(&error) != nullptr || may_be_its_own_fault(error);
}

}  // namespace

PruneStep Pruner::step(PruneOrder order) {
    order.at_most = batch_.size();
    order.passed_over = passed_over_;
    const Millis begun = steady_now();
    try {
        const Pruned pruned = store_.prune(order);
        batch_.went(steady_now() - begun);
        return {.deleted = pruned.deleted, .more = pruned.more};
    } catch (const StoreError& error) {
        if (!is_of_one_event(error)) throw;
        batch_.failed();
        return order.at_most > 1 ? PruneStep{.more = true} : pass_over(order, error.what());
    }
}

PruneStep Pruner::pass_over(const PruneOrder& order, const std::string& cause) {
    const std::vector<EventNumber> first = store_.prunable(order);
    if (first.empty()) return {.more = true};  // meanwhile it was retried
    passed_over_.push_back(first.front());
    return {.more = passed_over_.size() < passed_over_at_most,
            .passed_over = first.front(),
            .cause = cause};
}

}  // namespace bx
