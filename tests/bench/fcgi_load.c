/* Posts one body to FastCGI gateways as fast as they answer, with nothing in between that takes time of
 * its own:
 *
 *   fcgi_load BODY-FILE SECONDS CONNECTIONS SOCKET...
 *
 * CONNECTIONS kept-open ones to each socket, one request at a time on each; every request is for another
 * of LANES deals (the "6675" in the body).  Prints "answered refused seconds".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LANES = 9000, FIRST = 1000, MOST = 4096 };

static char request[8192], *deal;
static size_t size;
static long answered, refused;

struct connection {
    int fd;
    size_t used;
    char data[4096]; /* of the answer so far */
};

static void fail(const char *what)
{
    fprintf(stderr, "fcgi_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void record(int kind, const char *content, size_t length)
{
    const char head[8] = {1, (char)kind, 0, 1, (char)(length >> 8), (char)length, 0, 0};

    if (size + sizeof head + length > sizeof request) fail("the body is too long");
    memcpy(request + size, head, sizeof head);
    if (length) memcpy(request + size + sizeof head, content, length);
    size += sizeof head + length;
}

static size_t variable(char *at, const char *name, const char *value)
{
    at[0] = (char)strlen(name);
    at[1] = (char)strlen(value);
    strcpy(at + 2, name);
    strcat(at + 2, value);
    return 2 + strlen(name) + strlen(value);
}

static void compose(const char *path)
{
    static const char begin[8] = {0, 1, 1 /* keep the connection */};
    char body[4096], params[1024], length[16];
    FILE *file = fopen(path, "r");
    size_t count, end = 0;

    if (!file) fail(path);
    count = fread(body, 1, sizeof body, file);
    fclose(file);
    snprintf(length, sizeof length, "%zu", count);
    end += variable(params + end, "GATEWAY_INTERFACE", "CGI/1.1");
    end += variable(params + end, "REQUEST_METHOD", "POST");
    end += variable(params + end, "REQUEST_URI", "/bitrix24");
    end += variable(params + end, "CONTENT_TYPE", "application/x-www-form-urlencoded");
    end += variable(params + end, "CONTENT_LENGTH", length);
    record(1, begin, sizeof begin);
    record(4, params, end);
    record(4, NULL, 0);
    record(5, body, count);
    record(5, NULL, 0);
    deal = memmem(request, size, "6675", 4);
    if (!deal) fail("no deal in the body");
}

static void ask(struct connection *connection)
{
    static int lane;
    char digits[12];

    snprintf(digits, sizeof digits, "%d", FIRST + lane++ % LANES);
    memcpy(deal, digits, 4);
    connection->used = 0;
    if (write(connection->fd, request, size) != (ssize_t)size) fail("write");
}

/* True when the answer is there up to its END_REQUEST record. */
static int complete(const struct connection *connection)
{
    size_t at = 0;

    while (at + 8 <= connection->used) {
        const unsigned char *head = (const unsigned char *)connection->data + at;
        at += 8 + (size_t)(head[4] << 8 | head[5]) + head[6];
        if (head[1] == 3 && at <= connection->used) return 1;
    }
    return 0;
}

static void take(struct connection *connection)
{
    ssize_t count = read(connection->fd, connection->data + connection->used,
                         sizeof connection->data - connection->used);

    if (count <= 0) fail("the gateway closed a connection");
    connection->used += (size_t)count;
    if (!complete(connection)) return;
    if (memmem(connection->data, connection->used, "\"ok\"", 4)) answered++;
    else refused++;
    ask(connection);
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail(path);
    return fd;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct connection connections[MOST];
    struct epoll_event events[64];
    int poller = epoll_create1(EPOLL_CLOEXEC), count = 0;
    double began, seconds;

    if (argc < 5 || (argc - 4) * atoi(argv[3]) > MOST) {
        fputs("usage: fcgi_load BODY-FILE SECONDS CONNECTIONS SOCKET...\n", stderr);
        return 2;
    }
    compose(argv[1]);
    seconds = atof(argv[2]);
    for (int each = 0; each < atoi(argv[3]); each++) {
        for (int socket = 4; socket < argc; socket++) {
            struct connection *made = &connections[count++];
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = made};
            made->fd = open_socket(argv[socket]);
            if (epoll_ctl(poller, EPOLL_CTL_ADD, made->fd, &event)) fail("epoll_ctl");
        }
    }
    began = now();
    for (int each = 0; each < count; each++) ask(&connections[each]);
    while (now() - began < seconds) {
        int ready = epoll_wait(poller, events, 64, 100);
        for (int each = 0; each < ready; each++) take(events[each].data.ptr);
    }
    printf("%ld %ld %.3f\n", answered, refused, now() - began);
    return 0;
}
