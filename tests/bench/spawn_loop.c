/* "S": what one can do who only starts hooks.  A single-threaded poll loop that runs COUNT times
 * PROGRAM, CONCURRENCY at a time: posix_spawn into a session of its own, a body on stdin, stdout and
 * stderr captured.  Nothing is recorded, no time limit is kept.  With "--bare" (posix_spawn by two
 * threads, nothing fed or captured) it measures what the kernel gives.
 *
 *   spawn_loop CONCURRENCY COUNT PROGRAM [--bare]      prints runs per second
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 64

struct run {
    pid_t pid;
    int in, out, err;
    size_t written;
};

static char body[741];
static char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
static const char *program;
static int remaining;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int take(void)
{
    int got;

    pthread_mutex_lock(&lock);
    got = remaining > 0;
    remaining -= got;
    pthread_mutex_unlock(&lock);
    return got;
}

static pid_t spawn(int in, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *const arguments[] = {(char *)program, NULL};
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (in >= 0) {
        posix_spawn_file_actions_adddup2(&actions, in, 0);
        posix_spawn_file_actions_adddup2(&actions, out, 1);
        posix_spawn_file_actions_adddup2(&actions, err, 2);
    }
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    if (posix_spawn(&pid, program, &actions, &attributes, arguments, environment) != 0) exit(1);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void start(struct run *run)
{
    int in[2], out[2], err[2];

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) exit(1);
    run->pid = spawn(in[0], out[1], err[1]);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    *run = (struct run){run->pid, in[1], out[0], err[0], 0};
}

static void shut(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void feed(struct run *run)
{
    ssize_t put = write(run->in, body + run->written, sizeof body - run->written);

    if (put > 0) run->written += (size_t)put;
    if (put < 0 || run->written == sizeof body) shut(&run->in);
}

static void drain(int *fd)
{
    char text[4096];

    if (read(*fd, text, sizeof text) <= 0) shut(fd);
}

/* One turn of the loop over RUNS; gives how many ended. */
static int turn(struct run *runs, int count)
{
    struct pollfd fds[3 * MOST];
    int ended = 0;

    for (int i = 0; i < count; ++i) {
        fds[3 * i] = (struct pollfd){runs[i].in, POLLOUT, 0};
        fds[3 * i + 1] = (struct pollfd){runs[i].out, POLLIN, 0};
        fds[3 * i + 2] = (struct pollfd){runs[i].err, POLLIN, 0};
    }
    if (poll(fds, (nfds_t)(3 * count), -1) < 0) exit(1);
    for (int i = 0; i < count; ++i) {
        if (fds[3 * i].revents) feed(&runs[i]);
        if (fds[3 * i + 1].revents) drain(&runs[i].out);
        if (fds[3 * i + 2].revents) drain(&runs[i].err);
        if (runs[i].pid > 0 && runs[i].out < 0 && runs[i].err < 0) {
            waitpid(runs[i].pid, NULL, 0);
            shut(&runs[i].in);
            runs[i].pid = 0;
            ++ended;
        }
    }
    return ended;
}

static void loop(int concurrency)
{
    struct run runs[MOST];
    int active = 0;

    for (int i = 0; i < MOST; ++i) runs[i] = (struct run){0, -1, -1, -1, 0};
    do {
        for (int i = 0; i < concurrency; ++i) {
            if (runs[i].pid == 0 && take()) {
                start(&runs[i]);
                ++active;
            }
        }
        if (active > 0) active -= turn(runs, concurrency);
    } while (active > 0 || remaining > 0);
}

static void *bare(void *unused)
{
    while (take()) waitpid(spawn(-1, -1, -1), NULL, 0);
    return unused;
}

int main(int argc, char **argv)
{
    struct timespec begin, end;
    int concurrency, count;
    pthread_t other;

    if (argc < 4) return 2;
    concurrency = atoi(argv[1]) < MOST ? atoi(argv[1]) : MOST;
    remaining = count = atoi(argv[2]);
    program = argv[3];
    signal(SIGPIPE, SIG_IGN);
    memset(body, 'x', sizeof body);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (argc > 4 && !strcmp(argv[4], "--bare")) {
        pthread_create(&other, NULL, bare, NULL);
        bare(NULL);
        pthread_join(other, NULL);
    } else {
        loop(concurrency);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.0f\n", count / ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9));
    return 0;
}
