#include "host/detach.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace bx {

namespace {

// Goes on in a child; the parent ends, without the C++ exit: its buffers are the child's too.
void go_on_in_child() {
    pid_t child = ::fork();
    if (child < 0) throw_errno("cannot fork");
    if (child > 0) ::_exit(0);
}

}  // namespace

void detach() {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) throw_errno("cannot open '/dev/null'");
    go_on_in_child();
    ::setsid();
    go_on_in_child();  // no session leader: it can never get a terminal
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
    if (::chdir("/") != 0) throw_errno("cannot change to '/'");
}

void close_inherited_descriptors() {
    std::vector<int> open;
    if (DIR* dir = ::opendir("/proc/self/fd")) {
        while (const dirent* entry = ::readdir(dir)) {
            std::string_view name = entry->d_name;
            int fd = -1;
            std::from_chars(name.data(), name.data() + name.size(), fd);
            if (fd > STDERR_FILENO && fd != ::dirfd(dir)) open.push_back(fd);
        }
        ::closedir(dir);
    }
    for (int fd : open) ::close(fd);
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
        // open gives the lowest free number, which is FD.
        if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
    }
}

}  // namespace bx
