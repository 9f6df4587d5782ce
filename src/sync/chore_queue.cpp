#include "sync/chore_queue.h"

#include <algorithm>

namespace bx {

namespace {

constexpr Millis verification_step = second / 5;

std::size_t place_of(Chore what) {
    return static_cast<std::size_t>(std::ranges::find(taken_kinds, what) - taken_kinds.begin());
}

}  // namespace

std::deque<ChoreQueue::Waiting>& ChoreQueue::waiting(Chore what) {
    return waiting_.at(place_of(what));
}

void ChoreQueue::add(const DueChore& taken, Millis begin_by) {
    std::deque<Waiting>& others = waiting(taken.what);
    const auto same = std::ranges::find_if(
        others, [&](const Waiting& one) { return one.taken.id == taken.id; });
    if (same == others.end()) {
        others.push_back({taken, begin_by});
    } else {
        *same = {taken, begin_by};
    }
}

// One that is under way and due once more holds no other.
bool ChoreQueue::lacks(Chore what) const {
    return std::ranges::all_of(waiting_.at(place_of(what)), [&](const Waiting& one) {
        return under_way_.contains({what, one.taken.id});
    });
}

bool ChoreQueue::is_idle() const {
    return under_way_.empty() &&
           std::ranges::all_of(waiting_, [](const auto& kind) { return kind.empty(); });
}

std::optional<DueChore> ChoreQueue::begin(Millis now) {
    for (std::size_t step = 0; step < taken_kinds.size(); ++step) {
        const std::size_t place = (turn_ + step) % taken_kinds.size();
        const Chore what = taken_kinds[place];
        if (what == Chore::verify && !verification_.due(now)) continue;
        const std::optional<DueChore> begun = begin_one(what);
        if (!begun) continue;
        if (what == Chore::verify) verification_.set(now + verification_step);
        turn_ = place + 1;
        return begun;
    }
    return std::nullopt;
}

std::optional<DueChore> ChoreQueue::begin_one(Chore what) {
    std::deque<Waiting>& all = waiting(what);
    const auto first = std::ranges::find_if(
        all, [&](const Waiting& one) { return !under_way_.contains({what, one.taken.id}); });
    if (first == all.end()) return std::nullopt;
    const DueChore begun = first->taken;
    all.erase(first);
    under_way_.emplace(what, begun.id);
    return begun;
}

Millis ChoreQueue::next_verification() const {
    return lacks(Chore::verify) ? Timer::never : verification_.next();
}

void ChoreQueue::end(const DueChore& begun) { under_way_.erase({begun.what, begun.id}); }

std::vector<DueChore> ChoreQueue::take_late(Millis now) {
    std::vector<DueChore> late;
    for (std::deque<Waiting>& kind : waiting_) {
        std::erase_if(kind, [&](const Waiting& one) {
            if (now < one.begin_by) return false;
            late.push_back(one.taken);
            return true;
        });
    }
    return late;
}

std::vector<DueChore> ChoreQueue::clear() { return take_late(Timer::never); }

}  // namespace bx
