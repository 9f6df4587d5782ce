/* System calls that fail on demand, for tests: LD_PRELOAD it and write lines "CALL ERRNO [PATH]"
 * into the file $ERRORS_CONTROL, at any time: from then on CALL fails with that number (on files
 * whose path contains PATH), until the line is gone.  An empty or missing file: nothing fails.
 * Each failure adds a byte to $ERRORS_CONTROL.hits.
 *
 * Calls: open opendir read recv send write pread64 pwrite64 fsync fdatasync ftruncate64 lock (fcntl)
 * unlink mmap pipe2 accept4 epoll_ctl posix_spawn
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void note_hit(const char *control)
{
    char path[PATH_MAX];
    long fd;

    snprintf(path, sizeof path, "%s.hits", control);
    fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    syscall(SYS_write, fd, "x", 1);
    syscall(SYS_close, fd);
}

/* The number CALL on PATH must fail with now; 0: none. */
static int wanted(const char *call, const char *path)
{
    static const char *control;
    char text[1024], name[32], part[PATH_MAX];
    char *line, *rest = text;
    int number, saved = errno;
    long fd, length;

    if (!control) control = getenv("ERRORS_CONTROL");
    if (!control) return 0;
    fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0) goto none;
    length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0) goto none;
    text[length] = 0;
    while ((line = strsep(&rest, "\n"))) {
        part[0] = 0;
        if (sscanf(line, "%31s %d %4095s", name, &number, part) < 2) continue;
        if (strcmp(name, call)) continue;
        if (part[0] && (!path || !strstr(path, part))) continue;
        note_hit(control);
        return number;
    }
none:
    errno = saved;
    return 0;
}

static int wanted_for(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    int saved = errno;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    errno = saved;
    path[length > 0 ? length : 0] = 0;
    return wanted(call, path);
}

#define FAIL_IF(expression)           \
    do {                              \
        int number_ = (expression);   \
        if (number_) {                \
            errno = number_;          \
            return -1;                \
        }                             \
    } while (0)

#define OPEN_BODY(name)                        \
    mode_t mode = 0;                           \
    if (flags & (O_CREAT | O_TMPFILE)) {       \
        va_list arguments;                     \
        va_start(arguments, flags);            \
        mode = va_arg(arguments, mode_t);      \
        va_end(arguments);                     \
    }                                          \
    FAIL_IF(wanted("open", path));             \
    return REAL(name)(path, flags, mode);

int open(const char *path, int flags, ...) { OPEN_BODY(open) }
int open64(const char *path, int flags, ...) { OPEN_BODY(open64) }

DIR *opendir(const char *path)
{
    int number = wanted("opendir", path);

    if (number) {
        errno = number;
        return NULL;
    }
    return REAL(opendir)(path);
}

ssize_t read(int fd, void *data, size_t length)
{
    FAIL_IF(wanted_for("read", fd));
    return REAL(read)(fd, data, length);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
    FAIL_IF(wanted_for("pread64", fd));
    return REAL(pread64)(fd, data, length, offset);
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
    FAIL_IF(wanted("recv", NULL));
    return REAL(recv)(fd, data, length, flags);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    FAIL_IF(wanted("send", NULL));
    return REAL(send)(fd, data, length, flags);
}

ssize_t write(int fd, const void *data, size_t length)
{
    FAIL_IF(wanted_for("write", fd));
    return REAL(write)(fd, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    FAIL_IF(wanted_for("pwrite64", fd));
    return REAL(pwrite64)(fd, data, length, offset);
}

int fsync(int fd)
{
    FAIL_IF(wanted_for("fsync", fd));
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    FAIL_IF(wanted_for("fdatasync", fd));
    return REAL(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t size)
{
    FAIL_IF(wanted_for("ftruncate64", fd));
    return REAL(ftruncate64)(fd, size);
}

int fcntl64(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_SETLK || command == F_SETLKW) FAIL_IF(wanted_for("lock", fd));
    return REAL(fcntl64)(fd, command, argument);
}

int unlink(const char *path)
{
    FAIL_IF(wanted("unlink", path));
    return REAL(unlink)(path);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset)
{
    int number = fd >= 0 ? wanted_for("mmap", fd) : 0;

    if (number) {
        errno = number;
        return MAP_FAILED;
    }
    return REAL(mmap64)(at, length, protection, flags, fd, offset);
}

int pipe2(int fds[2], int flags)
{
    FAIL_IF(wanted("pipe2", NULL));
    return REAL(pipe2)(fds, flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    FAIL_IF(wanted("epoll_ctl", NULL));
    return REAL(epoll_ctl)(epoll, operation, fd, event);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    FAIL_IF(wanted("accept4", NULL));
    return REAL(accept4)(fd, address, length, flags);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    int number = wanted("posix_spawn", path);

    if (number) return number;
    return REAL(posix_spawn)(pid, path, actions, attributes, argv, envp);
}
