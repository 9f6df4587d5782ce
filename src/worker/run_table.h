// The runs of a worker: their descriptors in its poll set, their processes, their ends.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "worker/run.h"

namespace bx {

class RunTable {
public:
    void add(std::unique_ptr<Run> run);
    std::size_t size() const { return runs_.size(); }
    const std::vector<std::unique_ptr<Run>>& all() const { return runs_; }

    // Appends the descriptors of all runs to SET; after the poll, `handle` takes the same part of
    // it.  No run may be added or removed in between.
    void append_to(std::vector<pollfd>& set) const;
    void handle(const pollfd* set);

    // Reaps every child that ended: those of the runs, and processes that these left behind, whose
    // subreaper we are; OTHER is told of each that is none of a run.
    void reap(Millis now, const std::function<void(pid_t, int)>& other = {});
    void tick(Millis now);
    Millis next_tick() const;  // the earliest of all; far away when there is none
    void end_all(AttemptResult why, Millis now);
    // Ends those of EVENT, or with a HOOK that one.
    void end(EventNumber event, const std::string& hook, AttemptResult why, Millis now);
    // Removes and gives those that are over.
    std::vector<std::unique_ptr<Run>> take_over();

private:
    std::vector<std::unique_ptr<Run>> runs_;
};

}  // namespace bx
