// The slots of this worker's runs (host/slot_file.h), and what the worker before it left there.
//
// A slot that cannot be written is a line of the log: its run goes on without one, as all would
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
    // Without the file nothing may be held: nobody could tell whether it has begun.
    bool usable() const { return file_.has_value() && !free_.empty(); }
    // Opens one that could not be opened.
    void open_again() {
        if (!file_) open();
    }

    // Marks that CLAIM's run begins; false: it has no slot, and its death will not be known.
    bool begin(const Claim& claim);
    // It did not begin after all.
    void take_back(const Claim& claim);
    // Marks how a run ended.  One that has no slot is passed over.
    void end(const Finish& finish);
    // The ends of RUNS are in the store: their slots are free.
    void recorded(std::span<const Finish> runs);

    // What the worker before this one left of the run of ORPHAN; none: it did not begin, or its slot
    // tells nothing.  Its slot is that of the run from now on.
    struct Left {
        Millis started_at = 0;
        std::optional<SlotEnd> end{};  // none: it had not ended
    };
    std::optional<Left> take_left(const Orphan& orphan);
    // Nobody will ask for what else was left; call it when all orphans there can be were seen.
    void forget_left();

private:
    struct Taken {
        SlotFile::Place place = 0;
        std::string run;
        Millis started_at = 0;
    };
    using Key = std::pair<EventNumber, std::string>;

    void open();
    void complain(const std::exception& error);

    WorkerContext& context_;
    const std::string worker_files_;
    std::optional<SlotFile> file_;
    std::vector<SlotFile::Place> free_;  // the last is taken next
    std::map<Key, Taken> taken_;
    std::unordered_map<std::uint64_t, SlotFile::Found> left_;  // by the run's key
    std::string complaint_;              // as it was logged
};

}  // namespace bx
