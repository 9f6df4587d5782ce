#include "worker/run_slots.h"

namespace bx {

RunSlots::RunSlots(WorkerContext& context, std::string worker_files)
    : context_(context), worker_files_(std::move(worker_files)) {
    open();
}

void RunSlots::open() {
    try {
        file_.emplace(worker_files_);
        for (SlotFile::Found& found : file_->in_use()) left_.emplace(found.run, std::move(found));
    } catch (const Error& error) {
        file_.reset();
        complain(error);
        return;
    }
    std::vector<bool> in_use(SlotFile::slots);
    for (const auto& [run, found] : left_) in_use[found.place] = true;
    for (SlotFile::Place place = SlotFile::slots; place-- > 0;) {
        if (!in_use[place]) free_.push_back(place);
    }
}

void RunSlots::end(const std::string& run, const Finish& finish) {
    const Delivery delivery{finish.event, finish.hook};
    if (!file_ || taken_.contains(delivery) || free_.empty()) return;
    try {
        file_->write(free_.back(), SlotFile::key_of(run),
                     {.result = static_cast<int>(finish.result),
                      .exit = finish.exit,
                      .signal = finish.signal,
                      .reason = finish.reason,
                      .ended_at = finish.ended_at});
    } catch (const Error& error) {
        complain(error);
        return;
    }
    taken_[delivery] = free_.back();
    free_.pop_back();
}

// What they say of those runs is of no account any more, and need not be written over.
void RunSlots::recorded(std::span<const Finish> runs) {
    for (const Finish& finish : runs) {
        const auto found = taken_.find({finish.event, finish.hook});
        if (found == taken_.end()) continue;
        free_.push_back(found->second);
        taken_.erase(found);
    }
}

std::optional<SlotEnd> RunSlots::take_left(const Orphan& orphan) {
    const auto found = left_.find(SlotFile::key_of(orphan.run));
    if (found == left_.end()) return std::nullopt;
    SlotEnd end = std::move(found->second.end);
    taken_[{orphan.event, orphan.hook}] = found->second.place;
    left_.erase(found);
    return end;
}

void RunSlots::forget_left() {
    for (const auto& [run, found] : left_) free_.push_back(found.place);
    left_.clear();
}

void RunSlots::complain(const std::exception& error) {
    if (complaint_ == error.what()) return;
    complaint_ = error.what();
    context_.log.warning("runs are not marked: those that end right before a kill will run again",
                         {{"cause", complaint_}});
}

}  // namespace bx
