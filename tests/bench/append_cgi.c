/* The least a durable CGI program can do: reads the body, appends it to the file "appended" in the
 * directory BENCH_OUT names, padded to 1 KB, and has it on the disk before it answers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    static char body[1024];
    char path[4096];
    size_t used = 0;
    ssize_t got;
    int fd;

    while (used < sizeof body && (got = read(0, body + used, sizeof body - used)) > 0) used += (size_t)got;
    snprintf(path, sizeof path, "%s/appended", getenv("BENCH_OUT") ? getenv("BENCH_OUT") : ".");
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, body, sizeof body) != sizeof body || fdatasync(fd) != 0) {
        fputs("Status: 503 Service Unavailable\r\n\r\n", stdout);
        return 1;
    }
    fputs("Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"ok\"}\n", stdout);
    return 0;
}
