// Which processes belong to a run of a hook, and signals to all of them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bx {

// Every living process of run RUN: the session SESSION (0: none known), plus every process of our
// user whose environment carries BX_RUN=RUN, also one that is just becoming another program.  By
// reading /proc; waits for those that are just becoming another program, 50 ms at most, however
// many they are.  Throws Error when it cannot.
std::vector<pid_t> processes_of(pid_t session, const std::string& run);

// The same of every process of our user whose environment carries VARIABLE ("NAME=value").
std::vector<pid_t> processes_with(const std::string& variable);

// Sends SIGNAL to all of them; gives how many there were.
std::size_t signal_run(pid_t session, const std::string& run, int signal);

}  // namespace bx
