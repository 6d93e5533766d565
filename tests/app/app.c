/* A small HTTP/1.1 server for tests and the demo: one static binary in an image made FROM scratch, told by
 * variables how to behave (see README.md). It is PID 1 of its container, so it handles its own signals.
 *
 *   app              the server
 *   app --health     exit 0 when 127.0.0.1:$PORT/healthz answers 200 (for a HEALTHCHECK without a shell)
 *   app --task ...   runs once, as a hook does: exit code, milliseconds, words; a word `$NAME` is a variable
 *   app --load ...   the load client (load.c)
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREAD_STACK_BYTES = 256 * 1024, BACKLOG = 512 };

long long started_ms;
volatile bool stopping;

static void on_signal(int signal)
{
    (void)signal;
    if (!env_on("IGNORE_TERM"))
        stopping = true;
}

static void handle_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static struct sockaddr_in address(uint32_t ip)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)env_number("PORT", 8080)) };
    a.sin_addr.s_addr = htonl(ip);
    return a;
}

static int health_main(void)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in a = address(INADDR_LOOPBACK);
    struct reader r = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
    char head[HEAD_BYTES_MAX] = "";
    bool ok = connect(r.fd, (struct sockaddr *)&a, sizeof a) == 0 && send_all(r.fd, request, sizeof request - 1)
        && read_head(&r, head) > 0 && strncmp(head, "HTTP/1.1 200", 12) == 0;
    puts(ok ? "healthy" : "not healthy");
    return ok ? 0 : 1;
}

static void *connection_main(void *argument)
{
    int fd = (int)(intptr_t)argument, on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    answer_connection(fd);
    close(fd);
    return NULL;
}

static int listen_on_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in a = address(INADDR_ANY);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, BACKLOG) != 0) {
        fprintf(stderr, "cannot listen on port %ld: %s\n", env_number("PORT", 8080), strerror(errno));
        exit(1);
    }
    return fd;
}

/* Waits until `wait` is readable, a signal comes, or `until_ms` is reached (0: for ever); CRASH_AFTER_MS ends
 * the process on its way. SIGTERM is blocked everywhere else, so that it can only arrive here. */
static void wait_event(struct pollfd *wait, long long until_ms)
{
    static const sigset_t none;
    long crash_after_ms = env_number("CRASH_AFTER_MS", 0);
    long long crash_ms = crash_after_ms > 0 ? started_ms + crash_after_ms : 0;
    long long end_ms = crash_ms && (!until_ms || crash_ms < until_ms) ? crash_ms : until_ms;
    long long left_ms = end_ms > now_ms() ? end_ms - now_ms() : 0;
    struct timespec left = { left_ms / 1000, left_ms % 1000 * 1000000L };
    ppoll(wait, wait ? 1 : 0, end_ms ? &left : NULL, &none);
    if (crash_ms && now_ms() >= crash_ms) {
        fprintf(stderr, "boom: crashing after %ld ms as told\n", crash_after_ms);
        _exit(3);
    }
}

static void serve(int listener)
{
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, THREAD_STACK_BYTES);
    struct pollfd wait = { .fd = listener, .events = POLLIN };
    while (!stopping) {
        wait_event(&wait, 0);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (fd >= 0 && pthread_create(&thread, &detached, connection_main, (void *)(intptr_t)fd) != 0)
            close(fd);
    }
}

/* New connections are refused at once; requests already begun are answered, for STOP_MS at most. */
static void finish(int listener)
{
    long long deadline_ms = now_ms() + env_number("STOP_MS", 5000);
    close(listener);
    printf("stopping: %d in flight\n", requests_in_flight());
    while (requests_in_flight() > 0 && now_ms() < deadline_ms)
        wait_ms(2);
    printf("stopped: %d cut off\n", requests_in_flight());
}

static int task_main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const char *value = argv[i][0] == '$' ? getenv(argv[i] + 1) : argv[i];
        printf(i + 1 < argc ? "%s " : "%s\n", value ? value : "(none)");
    }
    fflush(stdout);
    handle_signals();
    for (long long done_ms = now_ms() + (argc > 1 ? atoll(argv[1]) : 0); now_ms() < done_ms && !stopping;)
        wait_event(NULL, done_ms);
    return argc > 0 ? atoi(argv[0]) : 0;
}

int main(int argc, char **argv)
{
    started_ms = now_ms();
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--health") == 0)
        return health_main();
    if (argc > 1 && strcmp(argv[1], "--task") == 0)
        return task_main(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "--load") == 0)
        return load_main(argc - 2, argv + 2);
    handle_signals();
    if (env_on("CRASH_ON_START")) {
        fprintf(stderr, "boom: cannot open the database\n");
        return 7;
    }
    for (long long booted_ms = started_ms + env_number("BOOT_MS", 0); now_ms() < booted_ms && !stopping;)
        wait_event(NULL, booted_ms);
    if (stopping)
        return 0;
    int listener = listen_on_port();
    const char *version = getenv("VERSION");
    printf("listening on port %ld as %s\n", env_number("PORT", 8080), version ? version : "none");
    serve(listener);
    finish(listener);
    return 0;
}
