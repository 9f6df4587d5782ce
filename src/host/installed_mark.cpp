#include "host/installed_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

namespace bx {

namespace {

std::string mark_of(const std::string& worker_files) { return worker_files + ".installed"; }

}  // namespace

bool is_marked_installed(const std::string& worker_files) {
    return ::access(mark_of(worker_files).c_str(), F_OK) == 0;
}

bool mark_installed(const std::string& worker_files) {
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return static_cast<bool>(Fd(::open(mark_of(worker_files).c_str(), flags, 0600)));
}

}  // namespace bx
