/* A witness of what reaches the disk, for tests: LD_PRELOAD it and every change below the directory
 * $POWERCUT_DIR is appended to the journal $POWERCUT_JOURNAL, in order, from all processes.
 * powercut.py then builds what a disk could hold had the power gone at any moment: synced writes
 * are there, later ones are there, torn or missing as it likes.
 *
 * A record: u32 op, u32 path length, u64 offset (or size), u32 data length, path, data.
 * All but syncs are recorded before they are made, and those after they returned, so that a cut between
 * the two is always a pessimistic one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { OP_WRITE = 1, OP_TRUNCATE, OP_SYNC, OP_CREATE, OP_UNLINK, OP_RENAME };

struct header {
    uint32_t op, path_length;
    uint64_t offset;
    uint32_t data_length;
} __attribute__((packed));

static int journal = -1;
static const char *directory;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int watched(const char *path)
{
    size_t length;

    if (!directory) directory = getenv("POWERCUT_DIR");
    if (!directory) return 0;
    length = strlen(directory);
    return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static int path_of(int fd, char *path)
{
    char link[64];
    ssize_t length;
    int saved = errno;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH_MAX - 1);
    errno = saved;
    if (length <= 0) return 0;
    path[length] = 0;
    return watched(path);
}

static void record(enum op op, const char *path, uint64_t offset, const void *data, size_t length)
{
    struct header header = {op, (uint32_t)strlen(path), offset, (uint32_t)length};
    struct iovec parts[3] = {{&header, sizeof header},
                             {(void *)path, header.path_length},
                             {(void *)data, length}};
    int saved = errno;

    if (journal < 0) {
        const char *name = getenv("POWERCUT_JOURNAL");
        if (!name) return;
        journal = REAL(open)(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (journal < 0) abort();
    }
    /* One append is one record: the kernel holds the inode's lock over it. */
    if (writev(journal, parts, 3) < 0) abort();
    errno = saved;
}

/* Recorded before it is made, or another process would write into a file that is not there yet.  Of
 * two who see none only the first makes it: powercut.py knows. */
static void before_open(const char *path, int flags)
{
    int saved = errno;

    if ((flags & O_CREAT) && watched(path) && access(path, F_OK)) record(OP_CREATE, path, 0, "", 0);
    errno = saved;
}

#define OPEN_BODY(call_real)                                     \
    mode_t mode = 0;                                             \
    if (flags & (O_CREAT | O_TMPFILE)) {                         \
        va_list arguments;                                       \
        va_start(arguments, flags);                              \
        mode = va_arg(arguments, mode_t);                        \
        va_end(arguments);                                       \
    }                                                            \
    before_open(path, flags);                                    \
    return call_real;

int open(const char *path, int flags, ...) { OPEN_BODY(REAL(open)(path, flags, mode)) }
int open64(const char *path, int flags, ...) { OPEN_BODY(REAL(open64)(path, flags, mode)) }

#define WRITE_BODY(at)                                                     \
    char path[PATH_MAX];                                                   \
    if (path_of(fd, path)) record(OP_WRITE, path, (uint64_t)(at), data, length);

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    WRITE_BODY(offset)
    return REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    WRITE_BODY(offset)
    return REAL(pwrite64)(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (fd > 2 && fd != journal) {
        int saved = errno;
        off_t at = lseek(fd, 0, SEEK_CUR);
        errno = saved;
        if (at >= 0) {
            WRITE_BODY(at)
        }
    }
    return REAL(write)(fd, data, length);
}

#define TRUNCATE_BODY                                                \
    char path[PATH_MAX];                                             \
    if (path_of(fd, path)) record(OP_TRUNCATE, path, (uint64_t)size, "", 0);

int ftruncate(int fd, off_t size)
{
    TRUNCATE_BODY
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    TRUNCATE_BODY
    return REAL(ftruncate64)(fd, size);
}

#define SYNC_BODY(name)                                                              \
    char path[PATH_MAX];                                                             \
    int result = REAL(name)(fd);                                                     \
    if (result == 0 && path_of(fd, path)) record(OP_SYNC, path, 0, "", 0);           \
    return result;

int fsync(int fd) { SYNC_BODY(fsync) }
int fdatasync(int fd) { SYNC_BODY(fdatasync) }

int unlink(const char *path)
{
    if (watched(path)) record(OP_UNLINK, path, 0, "", 0);
    return REAL(unlink)(path);
}

int rename(const char *from, const char *to)
{
    if (watched(from)) record(OP_RENAME, from, 0, to, strlen(to));
    return REAL(rename)(from, to);
}

/* $POWERCUT_NFS set: every file system says it is NFS, so that the store takes its other journal. */
static void disguise(void *type, size_t size)
{
    long nfs = 0x6969;

    if (getenv("POWERCUT_NFS")) memcpy(type, &nfs, size);
}

int statfs(const char *path, struct statfs *info)
{
    int result = REAL(statfs)(path, info);
    disguise(&info->f_type, sizeof info->f_type);
    return result;
}

int statfs64(const char *path, struct statfs64 *info)
{
    int result = REAL(statfs64)(path, info);
    disguise(&info->f_type, sizeof info->f_type);
    return result;
}

int fstatfs64(int fd, struct statfs64 *info)
{
    int result = REAL(fstatfs64)(fd, info);
    disguise(&info->f_type, sizeof info->f_type);
    return result;
}
