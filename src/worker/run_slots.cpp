#include "worker/run_slots.h"

#include <iterator>

namespace bx {

RunSlots::RunSlots(WorkerContext& context, std::string worker_files)
    : context_(context), worker_files_(std::move(worker_files)), look_(context.now + second) {
    open();
}

void RunSlots::look() {
    if (!look_.every(second, context_.now)) return;
    if (file_ && file_->is_in_place()) return;
    if (file_) context_.log.warning("the file of ended runs was moved, deleted or replaced");
    open();
}

void RunSlots::open() {
    file_.reset();
    free_.clear();
    std::vector<Found> found;
    try {
        SlotFile file(worker_files_);
        found = file.in_use();
        file_ = std::move(file);
    } catch (const Error& error) {
        return complain(error);
    }
    complaint_.clear();
    std::vector<bool> in_use(SlotFile::slots);
    for (const Found& one : found) in_use[one.place] = true;
    for (SlotFile::Place place = SlotFile::slots; place-- > 0;) {
        if (!in_use[place]) free_.push_back(place);
    }
    // What another file had, of which nobody else knows now.
    const auto write_again = [this](auto& ends) {
        for (auto at = ends.begin(); at != ends.end();) {
            at = write(at->second) ? std::next(at) : ends.erase(at);
        }
    };
    write_again(taken_);
    write_again(left_);
    for (Found& one : found) left_.insert_or_assign(one.run, std::move(one));
}

// Puts END into a free slot; false: it has none.
bool RunSlots::write(Found& end) {
    if (!file_ || free_.empty()) return false;
    try {
        file_->write(free_.back(), end.run, end.end);
    } catch (const Error& error) {
        complain(error);
        return false;
    }
    end.place = free_.back();
    free_.pop_back();
    return true;
}

void RunSlots::end(const std::string& run, const Finish& finish) {
    const Delivery delivery{finish.event, finish.hook};
    if (taken_.contains(delivery)) return;
    Found end{.run = SlotFile::key_of(run),
              .end = {.result = static_cast<int>(finish.result),
                      .exit = finish.exit,
                      .signal = finish.signal,
                      .reason = finish.reason,
                      .ended_at = finish.ended_at}};
    if (write(end)) taken_.emplace(delivery, std::move(end));
}

// What they say of those runs is of no account any more, and need not be written over.
void RunSlots::recorded(std::span<const Finish> runs) {
    for (const Finish& finish : runs) {
        const auto found = taken_.find({finish.event, finish.hook});
        if (found == taken_.end()) continue;
        free_.push_back(found->second.place);
        taken_.erase(found);
    }
}

std::optional<SlotEnd> RunSlots::take_left(const Orphan& orphan) {
    const auto found = left_.find(SlotFile::key_of(orphan.run));
    if (found == left_.end()) return std::nullopt;
    SlotEnd end = found->second.end;
    taken_[{orphan.event, orphan.hook}] = std::move(found->second);
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
    context_.log.warning(
        "ends of runs are kept in the store alone: hooks that ended before a kill will run again",
        {{"cause", complaint_}});
}

}  // namespace bx
