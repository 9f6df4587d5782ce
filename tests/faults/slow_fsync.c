/* A disk that is slower than this one's, by LD_PRELOAD: SLOW_FSYNC_MS milliseconds are added to every
 * fsync and fdatasync; when the file SLOW_FSYNC_STALL names exists, it is removed and one of them
 * takes a second longer.  Each adds a byte to the file that SLOW_FSYNC_COUNT names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void count(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

    if (fd < 0) return;
    if (write(fd, "x", 1) != 1) abort();
    close(fd);
}

static void delay(void)
{
    const char *added = getenv("SLOW_FSYNC_MS"), *stall = getenv("SLOW_FSYNC_STALL");

    count(getenv("SLOW_FSYNC_COUNT"));
    if (added) pause_ms(atol(added));
    if (stall && unlink(stall) == 0) pause_ms(1000);
}

int fsync(int fd)
{
    delay();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
    delay();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
