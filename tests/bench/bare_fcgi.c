/* "B": what libfcgi itself can do.  THREADS threads in FCGX_Accept_r on the listening socket at fd
 * 0 read the body and print 200.  No decoding, no check, no store.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void *serve(void *unused)
{
    FCGX_Request request;
    char body[8192];

    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) >= 0) {
        while (FCGX_GetStr(body, sizeof body, request.in) > 0) {}
        FCGX_PutS("Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"ok\"}\n",
                  request.out);
        FCGX_Finish_r(&request);
    }
    return unused;
}

static void leave(int number)
{
    (void)number;
    _exit(0);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 64;
    pthread_t thread;

    signal(SIGTERM, leave); /* a threaded libfcgi program ignores it otherwise */
    FCGX_Init();
    for (int i = 1; i < threads; ++i) pthread_create(&thread, NULL, serve, NULL);
    serve(NULL);
    return 0;
}
