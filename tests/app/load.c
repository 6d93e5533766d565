/* The load client: sends GET requests at a steady rate and counts what was lost.
 *
 *   app --load --url http://127.0.0.1:8080/ [--host NAME] [--rps 400] [--connections 16]
 *       (--seconds N | --until FILE [--seconds MAX]) [--progress]
 *
 * Half of the connections are kept alive and reused, half are opened anew for each request. The pace is an open
 * loop: each connection has its own timetable, and one that falls behind sends at once. At the end one line of
 * JSON goes to stdout; README.md says what each number means. Exit 0 when nothing was lost, 1 otherwise. */
#define _GNU_SOURCE
#include "common.h"
#include "tally.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512, ANSWER_SECONDS_MAX = 15, DEFAULT_SECONDS_MAX = 600 };

static struct {
    struct sockaddr_in address;
    char path[512], host[256];
    const char *until_file;
    long rps, connections, seconds, tick_ms;
    bool progress;
} options;

static long long begun_ms;
static volatile bool done;

/* One client connection; `fd` is -1 while it is closed. */
struct client {
    long number;
    bool kept, used;        /* kept alive at all; answered at least once since it was opened */
    struct reader reader;
    char head[HEAD_BYTES_MAX];
};

enum outcome { ANSWERED, IDLE_CLOSED, BROKEN };

static void hang_up(struct client *c)
{
    if (c->reader.fd >= 0)
        close(c->reader.fd);
    c->reader = (struct reader){ .fd = -1 };
    c->used = false;
}

static bool open_connection(struct client *c)
{
    int on = 1;
    struct timeval patience = { .tv_sec = ANSWER_SECONDS_MAX };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->reader.fd = fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(fd, (struct sockaddr *)&options.address, sizeof options.address) == 0;
}

/* One request on an open connection. A reused one that ends before the first byte of the answer was closed idle; one on
 * which nothing comes for too long was not. */
static enum outcome ask(struct client *c)
{
    char request[1024];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: landfall-load\r\n%s\r\n",
        options.path, options.host, c->kept ? "" : "Connection: close\r\n");
    if (!send_all(c->reader.fd, request, (size_t)len))
        return c->used ? IDLE_CLOSED : BROKEN;
    errno = 0;
    int head_len = read_head(&c->reader, c->head);
    if (head_len <= 0)
        return head_len == 0 && c->used && errno != EAGAIN ? IDLE_CLOSED : BROKEN;
    return read_body(&c->reader, c->head, true, NULL, 0, NULL) ? ANSWERED : BROKEN;
}

/* `reused`: on a connection that had answered before. */
static void record(const struct client *c, enum outcome outcome, bool reused, long long sent_us)
{
    long long answer_us = now_us();
    struct answer a = { .kept = reused, .sent_ms = sent_us / 1000, .answer_ms = answer_us / 1000,
        .took_us = answer_us - sent_us };
    if (outcome == ANSWERED) {
        a.status = (int)strtol(c->head + strcspn(c->head, " "), NULL, 10);
        header(c->head, "X-Version", a.version, sizeof a.version);
    }
    tally_answer(&a);
}

static void one_request(struct client *c)
{
    long long sent_us = now_us();
    enum outcome outcome = IDLE_CLOSED;
    bool reused = c->used;
    if (c->reader.fd >= 0)
        outcome = ask(c);
    if (c->reader.fd >= 0 && outcome == IDLE_CLOSED)
        tally_idle_close();
    if (outcome == IDLE_CLOSED) { /* not open, or closed while it was idle: that costs nothing but a connection */
        hang_up(c);
        reused = false;
        sent_us = now_us();
        outcome = open_connection(c) ? ask(c) : BROKEN;
    }
    record(c, outcome, reused, sent_us);
    char value[32];
    bool announced = c->kept && outcome == ANSWERED
        && header(c->head, "Connection", value, sizeof value) && strcasecmp(value, "close") == 0;
    if (announced)
        tally_announced_close();
    c->used = outcome == ANSWERED;
    if (!c->kept || announced || outcome != ANSWERED)
        hang_up(c);
}

static void *client_main(void *argument)
{
    struct client *c = argument;
    double interval_ms = 1000.0 * (double)options.connections / (double)options.rps;
    double next_ms = (double)begun_ms + interval_ms * (double)c->number / (double)options.connections;
    while (!done) {
        wait_ms((long)(next_ms - (double)now_ms()));
        if (!done)
            one_request(c);
        next_ms += interval_ms;
    }
    hang_up(c);
    free(c);
    return NULL;
}

static void wait_until_done(void)
{
    long long end_ms = begun_ms + options.seconds * 1000;
    for (long long tick_ms = begun_ms + options.tick_ms; now_ms() < end_ms; wait_ms(10)) {
        if (options.until_file && access(options.until_file, F_OK) == 0)
            break;
        if (options.progress && now_ms() >= tick_ms) {
            tally_progress((tick_ms - begun_ms) / 1000);
            tick_ms += options.tick_ms;
        }
    }
    done = true;
}

static bool parse_url(const char *url)
{
    char ip[64], port[8] = "80";
    options.path[0] = '/';
    if (sscanf(url, "http://%63[0-9.]:%7[0-9]/%510s", ip, port, options.path + 1) < 1)
        return false;
    snprintf(options.host, sizeof options.host, "%.64s:%.8s", ip, port);
    options.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)) };
    return inet_pton(AF_INET, ip, &options.address.sin_addr) == 1;
}

static bool parse_options(int argc, char **argv)
{
    bool url = false;
    const char *host = NULL;
    options.rps = 400;
    options.connections = 16;
    options.tick_ms = 1000;
    for (int i = 0; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--progress") == 0) {
            options.progress = true;
            continue;
        }
        if (strcmp(name, "--url") == 0)
            url = parse_url(value);
        else if (strcmp(name, "--host") == 0)
            host = value;
        else if (strcmp(name, "--rps") == 0)
            options.rps = atol(value);
        else if (strcmp(name, "--connections") == 0)
            options.connections = atol(value);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = atol(value);
        else if (strcmp(name, "--tick") == 0)
            options.tick_ms = atol(value);
        else if (strcmp(name, "--until") == 0)
            options.until_file = value;
        else
            return false;
        i++;
    }
    if (host)
        snprintf(options.host, sizeof options.host, "%s", host);
    if (options.until_file && options.seconds == 0)
        options.seconds = DEFAULT_SECONDS_MAX;
    return url && options.rps > 0 && options.seconds > 0 && options.tick_ms > 0 && options.connections > 0
        && options.connections <= CONNECTIONS_MAX;
}

int load_main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MAX];
    long running = 0;
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: app --load --url http://IP:PORT/PATH [--host NAME] [--rps 400] [--connections 16] "
            "(--seconds N | --until FILE [--seconds MAX]) [--progress [--tick MS]]\n");
        return 64;
    }
    begun_ms = now_ms();
    for (; running < options.connections; running++) {
        struct client *c = calloc(1, sizeof *c);
        if (!c)
            break;
        c->number = running;
        c->kept = running % 2 == 0;
        c->reader.fd = -1;
        if (pthread_create(&threads[running], NULL, client_main, c) != 0)
            break;
    }
    wait_until_done();
    for (long i = 0; i < running; i++)
        pthread_join(threads[i], NULL);
    return tally_print(begun_ms) == 0 ? 0 : 1;
}
