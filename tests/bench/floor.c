/* "floor": what storing alone costs.  One epoll loop over FastCGI connections on the listening socket
 * at fd 0 that takes whatever is ready, writes each body into the store of argv[1] as the gateway
 * would (the same rows, pragmas and one transaction a batch), and answers.  No decoding, no check, no
 * limits, no log.  The store was made by bxhook, so its schema is the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1024, ROOM = 16384, BATCH = 256 };

struct connection {
    size_t used;        /* bytes of `data` */
    const char *body;   /* of the complete request */
    size_t size;
    int keep, watched;
    char data[ROOM];
};

static struct connection connections[MOST]; /* by descriptor */
static int batch[BATCH], count;
static int poller;
static sqlite3 *store;
static sqlite3_stmt *begin, *commit, *add_slot, *add_event;

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, store ? sqlite3_errmsg(store) : strerror(errno));
    exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *made;

    if (sqlite3_prepare_v3(store, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL)) fail(sql);
    return made;
}

static void run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code != SQLITE_DONE && code != SQLITE_ROW) fail("step");
    sqlite3_reset(statement);
}

static void open_store(const char *path)
{
    if (sqlite3_open_v2(path, &store, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)) fail(path);
    sqlite3_busy_timeout(store, 5000); /* who counts its rows may open it at the same moment */
    if (sqlite3_exec(store, "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
                            "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 5000;"
                            "PRAGMA synchronous = FULL", NULL, NULL, NULL)) fail("pragma");
    begin = prepare("BEGIN IMMEDIATE");
    commit = prepare("COMMIT");
    add_slot = prepare("INSERT INTO slot (data) VALUES (?)");
    add_event = prepare("INSERT INTO event (slot, received_at, portal, ts, facts, body)"
                        " VALUES (?, 1736424182000, 1, 1736424182,"
                        " x'0f4f4e43524d4445414c555044415445094f4e43524d4445414c043636373502313703363535', ?)");
}

static void store_one(const struct connection *c)
{
    static const char secrets[256]; /* as long as those of the sample, padded */
    size_t size = c->size < 400 ? c->size : 400;

    sqlite3_bind_blob(add_slot, 1, secrets, sizeof secrets, SQLITE_STATIC);
    run(add_slot);
    sqlite3_bind_int64(add_event, 1, sqlite3_last_insert_rowid(store));
    sqlite3_bind_blob(add_event, 2, c->body, (int)size, SQLITE_STATIC);
    run(add_event);
}

/* Walks the records; true when the empty STDIN record is there. */
static int complete(struct connection *c)
{
    c->body = NULL;
    c->size = 0;
    for (size_t at = 0; at + 8 <= c->used;) {
        const unsigned char *header = (const unsigned char *)c->data + at;
        size_t size = (size_t)header[4] << 8 | header[5];
        size_t next = at + 8 + size + header[6];

        if (next > c->used) return 0;
        if (header[1] == 1) c->keep = header[10] & 1;
        if (header[1] == 5 && size == 0) return 1;
        if (header[1] == 5 && !c->body) c->body = c->data + at + 8, c->size = size;
        at = next;
    }
    return 0;
}

static void answer(int fd)
{
    static const char text[] = "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n"
                               "\r\n{\"status\":\"ok\",\"event\":123}";
    static char records[8 + sizeof text - 1 + 16];
    struct connection *c = &connections[fd];
    size_t size = sizeof text - 1;

    memcpy(records, (char[]){1, 6, 0, 1, (char)(size >> 8), (char)size, 0, 0}, 8);
    memcpy(records + 8, text, size);
    memcpy(records + 8 + size, (char[]){1, 3, 0, 1, 0, 8}, 6);
    if (send(fd, records, sizeof records, MSG_NOSIGNAL) < 0) c->keep = 0;
    c->used = 0;
    if (!c->keep) close(fd);
}

static void receive(int fd)
{
    struct connection *c = &connections[fd];
    ssize_t got = recv(fd, c->data + c->used, ROOM - c->used, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(fd);
        return;
    }
    if (got > 0) c->used += (size_t)got;
    int whole = complete(c);
    if (whole) batch[count++] = fd;
    if (!c->watched && (!whole || c->keep)) {
        c->watched = 1;
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
    }
}

static void commit_batch(void)
{
    if (count == 0) return;
    run(begin);
    for (int i = 0; i < count; ++i) store_one(&connections[batch[i]]);
    run(commit);
    for (int i = 0; i < count; ++i) answer(batch[i]);
    count = 0;
}

int main(int argc, char **argv)
{
    struct epoll_event events[BATCH / 2], listening = {.events = EPOLLIN, .data.fd = 0};

    if (argc != 2) return 2;
    open_store(argv[1]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    fcntl(0, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &listening)) fail("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(poller, events, BATCH / 2, -1);
        int waiting = 0;

        for (int i = 0; i < ready; ++i) {
            if (events[i].data.fd == 0) waiting = 1;
            else receive(events[i].data.fd);
        }
        for (int fd; waiting && count < BATCH && (fd = accept4(0, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
            if (fd >= MOST) fail("too many connections");
            connections[fd].used = 0;
            connections[fd].watched = 0;
            receive(fd);
        }
        commit_batch();
    }
}
