#include "sqlite/rotation.h"

#include <algorithm>
#include <iterator>

#include "sqlite/statements.h"

namespace bx::sqlite {

void Rotation::begin() {
    place_ = last_hook_;
    round_.clear();
    all_known_ = false;
    queues_.clear();
    const ReadyHooks& ready = names_.ready();
    remembers_ = ready.leaves_out_many() && ready.is_fresh(steady_now());
    if (!remembers_) return;
    all_known_ = true;
    round_.assign(ready.hooks().begin(), ready.hooks().end());
    // The one before that which is next.
    const auto next = ready.hooks().upper_bound(last_hook_);
    if (next != ready.hooks().begin()) place_ = *std::prev(next);
    if (next == ready.hooks().begin() && !round_.empty()) place_ = round_.back();
}

const std::vector<HookId>& Rotation::all() {
    const HookId place = place_;
    while (!all_known_) next_hook();
    place_ = place;
    return round_;
}

// Round: the smallest follows the greatest.
std::optional<HookId> Rotation::hook_after(HookId hook) {
    std::optional<HookId> next = db_.maybe_number(sql::ready_hook, hook);
    if (next) return next;
    next = db_.maybe_number(sql::ready_hook, 0);
    // None is greater, and none is smaller: it is the only one.
    if (next == hook && round_.empty()) all_known_ = true;
    return next;
}

std::optional<HookId> Rotation::next_hook() {
    if (!all_known_) {
        const std::optional<HookId> next = hook_after(place_);
        if (next && (round_.empty() || *next != round_.front())) {
            round_.push_back(*next);
            place_ = *next;
            return next;
        }
        all_known_ = true;
        place_ = round_.empty() ? 0 : round_.back();
    }
    if (round_.empty()) return std::nullopt;
    const auto at = std::ranges::find(round_, place_);
    const bool wraps = at == round_.end() || at + 1 == round_.end();
    place_ = wraps ? round_.front() : *(at + 1);
    return place_;
}

std::optional<Ready> Rotation::ready_after(HookId hook, PortalId account) {
    Rows rows = db_.rows(sql::ready_first, hook, account);
    using row = sql::ready_row;
    if (!rows.next()) return std::nullopt;
    return Ready{rows.number(row::hook), rows.number(row::portal), rows.number(row::d)};
}

bool Rotation::first_of_each(HookId hook, std::size_t most, std::vector<Ready>& found) {
    const PortalId last = last_account_.try_emplace(hook, -1).first->second;
    std::optional<Ready> next = ready_after(hook, last);
    const bool wrapped = !next;
    if (wrapped) next = ready_after(hook, -1);
    if (!next) return true;
    found.push_back(*next);
    if (wrapped && next->account == last) return true;
    while (found.size() < most) {
        next = ready_after(hook, found.back().account);
        if (!next) next = ready_after(hook, -1);
        if (next->account == found.front().account) return true;
        found.push_back(*next);
    }
    return false;
}

void Rotation::fill(HookId hook, std::size_t most, std::deque<Ready>& queue) {
    std::vector<Ready> firsts;
    const bool all = first_of_each(hook, most, firsts);
    queue.assign(firsts.begin(), firsts.end());
    if (!all || firsts.empty() || firsts.size() >= most) return;
    const std::size_t more_of_each = (most - 1) / firsts.size();
    std::vector<std::vector<Ready>> rest;
    for (const Ready& first : firsts) {
        std::vector<Ready>& others = rest.emplace_back();
        Rows rows = db_.rows(sql::ready_more, hook, first.account, first.d, more_of_each);
        while (rows.next()) others.push_back({hook, first.account, rows.number(0)});
    }
    for (std::size_t i = 0; i < more_of_each; ++i) {
        for (const std::vector<Ready>& others : rest) {
            // One that has fewer ends the order: what comes then is asked for again.
            if (others.size() <= i && firsts.size() > 1) return;
            if (others.size() > i) queue.push_back(others[i]);
        }
    }
}

// The one behind it is next.
void Rotation::leave_out(HookId hook) {
    const auto at = std::ranges::find(round_, hook);
    if (at == round_.end()) return;
    place_ = at == round_.begin() ? round_.back() : *(at - 1);
    round_.erase(at);
    names_.ready().remove(hook);
}

std::optional<Ready> Rotation::take(HookId hook, std::size_t most) {
    std::deque<Ready>& queue = queues_[hook];
    if (queue.empty()) fill(hook, most, queue);
    if (queue.empty()) {
        leave_out(hook);
        return std::nullopt;
    }
    const Ready ready = queue.front();
    queue.pop_front();
    last_hook_ = hook;
    last_account_[hook] = ready.account;
    return ready;
}

}  // namespace bx::sqlite
