// Between the processes of this host that share a store: who is the worker, and how it is woken.
// Files: WORKER_FILES.lock (flock'ed by the worker), WORKER_FILES.wake (a FIFO); for WORKER_FILES see
// StorePlace::worker_files.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/fd.h"

namespace bx {

// The worker's side.
class WorkerLock {
public:
    // Takes the lock, waiting up to WAIT for a worker that is leaving.  Throws Error when the files
    // cannot be made; held() is false when another worker has it.
    WorkerLock(const std::string& worker_files, Millis wait);

    bool held() const { return static_cast<bool>(lock_); }
    std::string path() const;
    // False when the locked file is no longer the one at its path, so that another worker could
    // take the lock beside this one.  It must be held.
    bool is_in_place() const;
    // Opens the FIFO for reading (making it, 0600) and clears it.  From here on wakers succeed.
    // Throws Error.
    void open_wake();
    // Closes it: from here on wakers start a worker instead.  Look into the store once more after
    // it.
    void close_wake() { wake_.reset(); }
    int wake_fd() const { return wake_.get(); }  // readable when woken; -1 while closed
    bool drain();                                // takes what was written; false: nothing was

private:
    std::string worker_files_;
    Fd lock_;
    Fd wake_;
};

enum class WakeResult { woken, no_worker };

// Wakes the store's worker: one byte into the FIFO, never blocking.  A full FIFO is `woken`.
WakeResult wake_worker(const std::string& worker_files);

// True while some process holds the worker's lock.
bool worker_runs(const std::string& worker_files);

}  // namespace bx
