#include "host/detach.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

namespace bx {

namespace {

// The child goes on, the parent is gone (without the C++ exit: its buffers are the child's too).
void fork_on() {
    pid_t child = ::fork();
    if (child < 0) throw_errno("cannot fork");
    if (child > 0) ::_exit(0);
}

}  // namespace

void detach() {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) throw_errno("cannot open '/dev/null'");
    fork_on();
    ::setsid();
    fork_on();  // no session leader: it can never get a terminal
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
    if (::chdir("/") != 0) throw_errno("cannot change to '/'");
}

}  // namespace bx
