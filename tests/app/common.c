/* Time, settings, and HTTP/1.1 framing (see common.h). */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

long long now_ms(void)
{
    return now_us() / 1000;
}

void wait_ms(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000L };
    while (ms > 0 && nanosleep(&left, &left) == -1 && errno == EINTR) { }
}

long env_number(const char *name, long fallback)
{
    const char *value = getenv(name);
    return value && *value ? strtol(value, NULL, 10) : fallback;
}

bool env_on(const char *name)
{
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

bool send_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* The next byte, or -1 at the end of the stream, on a timeout and on an error. */
static int next_byte(struct reader *r)
{
    if (r->at == r->end) {
        ssize_t n;
        do
            n = recv(r->fd, r->buf, sizeof r->buf, 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            return -1;
        r->at = 0;
        r->end = (size_t)n;
    }
    return (unsigned char)r->buf[r->at++];
}

int read_head(struct reader *r, char *head)
{
    int len = 0;
    while (len < HEAD_BYTES_MAX - 1) {
        int byte = next_byte(r);
        if (byte < 0)
            return len == 0 ? 0 : -1;
        head[len++] = (char)byte;
        head[len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
            return len;
    }
    return -1;
}

bool header(const char *head, const char *name, char *value, size_t cap)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, name_len) != 0 || at[name_len] != ':')
            continue;
        at += name_len + 1;
        while (*at == ' ' || *at == '\t')
            at++;
        const char *end = strstr(at, "\r\n");
        size_t len = end ? (size_t)(end - at) : strlen(at);
        if (len >= cap)
            len = cap - 1;
        memcpy(value, at, len);
        value[len] = '\0';
        return true;
    }
    return false;
}

struct keeper {
    char *keep;
    size_t cap, kept;
};

/* Takes `len` bytes, or with len < 0 everything up to the end of the stream. */
static bool take(struct reader *r, long long len, struct keeper *k)
{
    for (long long i = 0; len < 0 || i < len; i++) {
        int byte = next_byte(r);
        if (byte < 0)
            return len < 0;
        if (k->keep && k->kept < k->cap)
            k->keep[k->kept++] = (char)byte;
    }
    return true;
}

static bool read_line(struct reader *r, char *line, size_t cap)
{
    size_t len = 0;
    int byte;
    while ((byte = next_byte(r)) >= 0 && byte != '\n')
        if (byte != '\r' && len < cap - 1)
            line[len++] = (char)byte;
    line[len] = '\0';
    return byte == '\n';
}

static bool take_chunks(struct reader *r, struct keeper *k)
{
    char line[256];
    for (;;) {
        if (!read_line(r, line, sizeof line))
            return false;
        long long size = strtoll(line, NULL, 16);
        if (size <= 0)
            break;
        if (!take(r, size, k) || !read_line(r, line, sizeof line))
            return false;
    }
    do /* trailers, up to the empty line */
        if (!read_line(r, line, sizeof line))
            return false;
    while (*line);
    return true;
}

bool read_body(struct reader *r, const char *head, bool to_close, char *keep, size_t cap, size_t *kept)
{
    struct keeper k = { keep, cap, 0 };
    char value[64];
    bool whole = true;
    if (header(head, "Transfer-Encoding", value, sizeof value))
        whole = take_chunks(r, &k);
    else if (header(head, "Content-Length", value, sizeof value))
        whole = take(r, strtoll(value, NULL, 10), &k);
    else if (to_close)
        whole = take(r, -1, &k);
    if (kept)
        *kept = k.kept;
    return whole;
}
