// This program, started by itself: as a worker, and as the short processes that talk to Bitrix24.
#pragma once

#include <string>
#include <vector>

namespace bx {

// The program as it lies on the disk: after an upgrade the new one; the running one if it is gone.
// Throws Error.
std::string own_program();

// The one on the disk was tried and cannot run (host/binary_watch.h): own_program() is the running one.
void set_own_program_refused(bool refused);

// What it needs of our environment.  Nothing else: a CGI process's variables would make a gateway
// of it, and a hook's would count it among that run's processes.
std::vector<std::string> own_environment();

// The variable by which the renewals of a configuration's tokens are told among all processes.
std::string renewal_mark(const std::string& config_path);

}  // namespace bx
