// What hooks printed, as files beside the store (`log { outputs yes }`): for those who have no
// shell, and so neither `bxhook logs` nor `bxhook show`.
//
// An attempt is outputs/N-HOOK-ATTEMPT.txt, and goes when its event is deleted.  Nothing of the
// store depends on them: a file that cannot be written is a line of the log.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/view.h"
#include "worker/context.h"

namespace bx {

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
class OutputSweep {
public:
    OutputSweep(WorkerContext& context, View& store);

    // Looks through the directory when something was PRUNED, else once an hour.
    void begin(bool pruned);
    bool busy() const { return !left_.empty(); }
    // Some of what is left to do.  Throws what the store throws.
    void step();

private:
    bool is_there(EventNumber number);

    WorkerContext& context_;
    View& store_;
    Timer hour_;
    std::string dir_;
    std::vector<std::string> left_;  // names of files; those of one event stand together
};

}  // namespace bx
