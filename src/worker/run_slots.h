// The slots of this worker's ended runs (host/slot_file.h), and what the worker before it left
// there.
//
// A slot that cannot be written is a line of the log: the worker goes on without it, as it would
// without the file.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/slot_file.h"
#include "store/records.h"
#include "worker/context.h"

namespace bx {

class RunSlots {
public:
    // Opens the file.  This process must have the worker's lock.
    RunSlots(WorkerContext& context, std::string worker_files);
    // Each second: opens the file that is in its place where it is another one now, or one that
    // could not be opened, and writes into it what is not in the store yet.
    void look();

    // The run named RUN ended as FINISH says.
    void end(const std::string& run, const Finish& finish);
    // The ends of RUNS are in the store: their slots are free.
    void recorded(std::span<const Finish> runs);
    // Of how many runs whose ends are not in the store the slots say how they ended.
    std::size_t written() const { return file_ ? taken_.size() : 0; }

    // How the run of ORPHAN ended, as the worker before this one left it; none: it is not known.
    // The slot is that of the run's end from now on.
    std::optional<SlotEnd> take_left(const Orphan& orphan);
    // Nobody will ask for what else was left; call it when all orphans there can be were seen.
    void forget_left();

private:
    using Delivery = std::pair<EventNumber, std::string>;
    using Found = SlotFile::Found;

    void open();
    bool write(Found& end);
    void complain(const std::exception& error);

    WorkerContext& context_;
    const std::string worker_files_;
    std::optional<SlotFile> file_;
    std::vector<SlotFile::Place> free_;  // the last is taken next
    std::map<Delivery, Found> taken_;
    std::unordered_map<SlotFile::Key, Found> left_;
    std::string complaint_;  // as it was logged
    Timer look_;             // steady time
};

}  // namespace bx
