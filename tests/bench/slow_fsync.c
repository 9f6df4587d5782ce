/* A disk that is slower than this one's, by LD_PRELOAD: BENCH_FSYNC_MS milliseconds are added to
 * every fsync and fdatasync; when the file BENCH_STALL names exists, it is removed and one of them
 * takes a second longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void delay(void)
{
    const char *added = getenv("BENCH_FSYNC_MS"), *stall = getenv("BENCH_STALL");

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
