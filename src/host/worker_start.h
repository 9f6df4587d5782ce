// Starting a detached worker on this host.
#pragma once

#include <string>

namespace bx {

// Starts a detached worker for the config: double-forked into a session of its own by `work
// --detach`, with a clean environment and fds, its log in the store's directory.  Returns when the
// intermediate process has ended (milliseconds), not when the worker is ready.  Throws Error when
// it cannot be started, with what that process said: a bad config is found there.  Safe in a process
// with threads.
void start_worker(const std::string& config_path);

// Wakes the worker, and starts one when there is none and AUTO_START.  Throws as start_worker.
void summon_worker(const std::string& worker_files, const std::string& config_path, bool auto_start);

}  // namespace bx
