/* What the test app answers: one connection, request after request. Every answer carries X-Version (the
 * VERSION variable) and X-Instance (the container's host name), so that a test can tell who answered. */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_int in_flight;

struct request {
    int fd;
    bool keep_alive, head_only;
    char *head;                 /* the whole head as it came */
    char method[16], path[2048];
    char *query;                /* after the `?`, or "" */
    char *body;
    size_t body_len;
};

int requests_in_flight(void)
{
    return atomic_load(&in_flight);
}

bool healthy(void)
{
    return !env_on("FAIL_HEALTH") && now_ms() - started_ms >= env_number("HEALTHY_AFTER_MS", 0);
}

static const char *version(void)
{
    const char *value = getenv("VERSION");
    return value ? value : "none";
}

/* Sends status and common headers; `framing` holds the header lines that say how long the body is. */
static bool send_head(struct request *q, int status, const char *framing)
{
    char head[1024], host[256] = "";
    gethostname(host, sizeof host - 1);
    if (stopping)
        q->keep_alive = false;
    int len = snprintf(head, sizeof head,
        "HTTP/1.1 %d %s\r\nX-Version: %s\r\nX-Instance: %s\r\nContent-Type: text/plain\r\n%s%s\r\n",
        status, status < 400 ? "OK" : "Refused", version(), host, framing, q->keep_alive ? "" : "Connection: close\r\n");
    return send_all(q->fd, head, (size_t)len);
}

static bool send_bytes(struct request *q, int status, const char *body, size_t len)
{
    char framing[64];
    snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", len);
    return send_head(q, status, framing) && (q->head_only || send_all(q->fd, body, len));
}

__attribute__((format(printf, 3, 4)))
static bool send_text(struct request *q, int status, const char *format, ...)
{
    char body[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    return send_bytes(q, status, body, strlen(body));
}

/* The number in `name=N` of the query. */
static long query_number(const struct request *q, const char *name, long fallback)
{
    size_t len = strlen(name);
    for (const char *at = q->query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL)
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return strtol(at + len + 1, NULL, 10);
    return fallback;
}

static bool send_file(struct request *q)
{
    static const size_t cap = 1 << 20;
    FILE *file = fopen(q->query, "rb");
    if (!file)
        return send_text(q, 404, "%s: %s\n", q->query, strerror(errno));
    char *content = malloc(cap);
    size_t len = content ? fread(content, 1, cap, file) : 0;
    fclose(file);
    bool sent = content && send_bytes(q, 200, content, len);
    free(content);
    return sent;
}

/* The body becomes the file, so that a test can tell that a volume was kept. */
static bool write_file(struct request *q)
{
    FILE *file = fopen(q->query, "wb");
    bool written = file && fwrite(q->body, 1, q->body_len, file) == q->body_len;
    if (file)
        written = fclose(file) == 0 && written;
    return written ? send_text(q, 200, "%zu bytes\n", q->body_len) : send_text(q, 500, "%s: %s\n", q->query, strerror(errno));
}

/* What another container answers, by name; 502 when it does not. */
static bool send_fetched(struct request *q)
{
    char from[64] = "none", body[1024];
    long status = fetch(q->query, from, sizeof from, body, sizeof body);
    return send_text(q, status ? 200 : 502, "%ld from %s: %s\n", status, from, body);
}

static bool send_stream(struct request *q)
{
    long lines = query_number(q, "n", 10), pause_ms = query_number(q, "ms", 100);
    if (!send_head(q, 200, "Transfer-Encoding: chunked\r\n"))
        return false;
    for (long i = 1; i <= lines; i++) {
        char line[128], chunk[160];
        int len = snprintf(line, sizeof line, "line %ld of %ld from %s\n", i, lines, version());
        int chunk_len = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)len, line);
        if (!send_all(q->fd, chunk, (size_t)chunk_len))
            return false;
        wait_ms(i < lines ? pause_ms : 0);
    }
    return send_all(q->fd, "0\r\n\r\n", 5);
}

/* After 101 every byte is sent back as it came: what a proxy must carry for a websocket. */
static bool echo_upgraded(struct request *q, struct reader *r)
{
    char protocol[64] = "echo", head[256];
    header(q->head, "Upgrade", protocol, sizeof protocol);
    int len = snprintf(head, sizeof head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\n"
        "Connection: Upgrade\r\nX-Version: %s\r\n\r\n", protocol, version());
    bool open = send_all(q->fd, head, (size_t)len);
    while (open) {
        open = r->at == r->end || send_all(q->fd, r->buf + r->at, r->end - r->at);
        ssize_t n = open ? recv(q->fd, r->buf, sizeof r->buf, 0) : 0;
        r->at = 0;
        r->end = n > 0 ? (size_t)n : 0;
        open = n > 0;
    }
    return false;
}

static bool send_exit(struct request *q)
{
    int code = (int)query_number(q, "code", 1);
    q->keep_alive = false;
    send_text(q, 200, "exiting with %d\n", code);
    shutdown(q->fd, SHUT_WR);
    fprintf(stderr, "asked to exit with %d\n", code);
    _exit(code);
}

static bool respond(struct request *q, struct reader *r)
{
    const char *path = q->path;
    if (strcmp(path, "/healthz") == 0)
        return healthy() ? send_text(q, 200, "ok\n") : send_text(q, 503, "not healthy\n");
    if (strcmp(path, "/slow") == 0)
        wait_ms(query_number(q, "ms", 1000));
    if (strcmp(path, "/env") == 0) {
        const char *value = getenv(q->query);
        return value ? send_text(q, 200, "%s", value) : send_text(q, 404, "%s is not set\n", q->query);
    }
    if (strcmp(path, "/log") == 0)
        fprintf(stdout, "%s\n", q->query);
    if (strcmp(path, "/file") == 0)
        return send_file(q);
    if (strcmp(path, "/write") == 0)
        return write_file(q);
    if (strcmp(path, "/fetch") == 0)
        return send_fetched(q);
    if (strcmp(path, "/stream") == 0)
        return send_stream(q);
    if (strcmp(path, "/ws") == 0)
        return echo_upgraded(q, r);
    if (strcmp(path, "/exit") == 0)
        return send_exit(q);
    if (strcmp(path, "/status") == 0)
        return send_text(q, (int)query_number(q, "code", 200), "as asked\n");
    if (strcmp(path, "/headers") == 0)
        return send_bytes(q, 200, q->head, strlen(q->head));
    if (strcmp(path, "/echo") == 0)
        return send_bytes(q, 200, q->body, q->body_len);
    return send_text(q, 200, "hello from %s\n", version());
}

static bool parse_request(struct request *q)
{
    char target[2048], protocol[16], connection[64] = "";
    if (sscanf(q->head, "%15s %2047s %15s", q->method, target, protocol) != 3)
        return false;
    q->query = strchr(target, '?');
    size_t path_len = q->query ? (size_t)(q->query - target) : strlen(target);
    memcpy(q->path, target, strlen(target) + 1);
    q->path[path_len] = '\0';
    q->query = q->query ? q->path + path_len + 1 : q->path + path_len;
    q->head_only = strcmp(q->method, "HEAD") == 0;
    header(q->head, "Connection", connection, sizeof connection);
    q->keep_alive = strcmp(protocol, "HTTP/1.1") == 0 ? strcasecmp(connection, "close") != 0
                                                       : strcasecmp(connection, "keep-alive") == 0;
    return true;
}

void answer_connection(int fd)
{
    struct reader *r = calloc(1, sizeof *r);
    char *head = malloc(HEAD_BYTES_MAX), *body = malloc(BODY_BYTES_KEPT_MAX);
    bool open = r && head && body;
    if (open)
        r->fd = fd;
    while (open && !stopping && read_head(r, head) > 0) {
        struct request q = { .fd = fd, .head = head, .body = body };
        atomic_fetch_add(&in_flight, 1);
        open = parse_request(&q) && read_body(r, head, false, body, BODY_BYTES_KEPT_MAX, &q.body_len)
            && respond(&q, r) && q.keep_alive;
        atomic_fetch_sub(&in_flight, 1);
    }
    free(body);
    free(head);
    free(r);
}
