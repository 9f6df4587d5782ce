// Between the processes that share one SQLite store: who is the worker, how it is woken, and how it
// is started.  Files beside the store: STORE.lock (flock'ed by the worker), STORE.wake (FIFO).
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
    WorkerLock(const std::string& store_path, Millis wait);

    bool held() const { return static_cast<bool>(lock_); }
    // Opens the FIFO for reading (making it, 0600) and clears it.  From here on wakers succeed.
    // Throws Error.
    void open_wake();
    // Closes it: from here on wakers start a worker instead.  Look into the store once more after
    // it.
    void close_wake() { wake_.reset(); }
    int wake_fd() const { return wake_.get(); }  // readable when woken; -1 while closed
    bool drain();                                // takes what was written; false: nothing was

private:
    std::string store_path_;
    Fd lock_;
    Fd wake_;
};

enum class WakeResult { woken, no_worker };

// Wakes the store's worker: one byte into the FIFO, never blocking.  A full FIFO is `woken`.
WakeResult wake_worker(const std::string& store_path);

// True while some process holds the worker's lock.
bool worker_runs(const std::string& store_path);

// Starts a detached worker for the config: double-forked into a session of its own by `work
// --detach`, with a clean environment and fds, its log in the store's directory.  Returns when the
// intermediate process has ended (milliseconds), not when the worker is ready.  Throws Error when
// it cannot be started.  Safe in a process with threads.
void start_worker(const std::string& config_path);

// Wakes the worker, and starts one when there is none and AUTO_START.  Throws as start_worker.
void summon_worker(const std::string& store_path, const std::string& config_path, bool auto_start);

}  // namespace bx
