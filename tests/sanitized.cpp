// What an instrumented program tells its sanitizers (`make SANITIZE=...`): the environment cannot, since
// the tests, web servers and bxhook itself start processes with an environment made from nothing.
#include <sys/prctl.h>

#include <fstream>
#include <string>

namespace {

bool is_traced() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("TracerPid:")) return line.find_first_of("123456789") != std::string::npos;
    }
    return false;
}

}  // namespace

// Called by the sanitizers before anything is set up.
extern "C" {

// A library in LD_PRELOAD comes before ASan's: those of tests/faults hand on what they do not fail.
// What is freed is held back for 16 MB and not for 256, so that a program which grows is seen to.
const char* __asan_default_options() {
    return "log_path=" BXHOOK_REPORTS "/report:quarantine_size_mb=16:verify_asan_link_order=0";
}

const char* __ubsan_default_options() {
    return "log_path=" BXHOOK_REPORTS "/report:print_stacktrace=1";
}

// The search for leaks traces its own process: the kernel refuses that for one that changed its user,
// and for one that is traced already.
int __lsan_is_turned_off() {
    return ::prctl(PR_GET_DUMPABLE) != 1 || is_traced() ? 1 : 0;
}

}
