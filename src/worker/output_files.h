// What hooks printed, as files beside the store (`log { outputs yes }`): for those who have no
// shell, and so neither `bxhook logs` nor `bxhook show`.
//
// An attempt is outputs/N-HOOK-ATTEMPT.txt, and goes when its event is deleted.  A store in a file
// that is not called queue.db has a directory of its own, FILE.outputs: two stores may lie side by
// side.  Nothing of the store depends on them: a file that cannot be written is a line of the log.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "store/records.h"
#include "store/upkeep.h"
#include "store/view.h"
#include "worker/context.h"

namespace bx {

// The directory of CONFIG's store, which need not exist.
std::string outputs_directory(const Config& config);

// The event that the file NAME is of; none when it is not N-HOOK-ATTEMPT.txt as we write it.
std::optional<EventNumber> event_of_output(std::string_view name);

class OutputFiles {
public:
    explicit OutputFiles(WorkerContext& context) : context_(context) {}

    // Writes the file of an attempt that ended: FINISH with what becomes of its delivery.  Nothing
    // when the configuration does not ask for it.
    void write(const Finish& finish, int max_attempts);

private:
    WorkerContext& context_;
    std::string complaint_;  // why they cannot be written, as it was logged
};

// Deletes the files of events that the store no longer has, also after `outputs` was turned off.
// Of events that it never had, those of another store, all stay.
class OutputSweep {
public:
    OutputSweep(Upkeep& upkeep, View& view) : upkeep_(upkeep), view_(view) {}

    // Looks through DIR.  Gives why it cannot; empty: it can, or there is nothing.  Throws what the
    // store throws.
    std::string begin(const std::string& dir);
    bool busy() const { return !left_.empty(); }
    // Some of what is left to do.  Throws what the store throws.
    void step();

private:
    bool is_there(EventNumber number);

    Upkeep& upkeep_;
    View& view_;
    Fd dir_;
    std::vector<std::string> left_;  // names of files; those of one event stand together
};

// The worker's: when something was deleted, and once an hour.
class OutputUpkeep {
public:
    OutputUpkeep(WorkerContext& context, Upkeep& upkeep, View& view);

    // Looks through the directory when something was PRUNED, else once an hour.  False: it did not,
    // and has to be asked again.
    bool begin(bool pruned);
    bool busy() const { return sweep_.busy(); }
    void step() { sweep_.step(); }

private:
    WorkerContext& context_;
    OutputSweep sweep_;
    Timer hour_;
    std::string complaint_;  // why it cannot be looked through, as it was logged
};

}  // namespace bx
