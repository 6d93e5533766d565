/* Shared by the server (app.c, answer.c, fetch.c) and the load client (load.c): time, settings, and the HTTP/1.1
 * framing both sides need. Nothing here knows about routes or statistics. */
#ifndef LANDFALL_APP_COMMON_H
#define LANDFALL_APP_COMMON_H

#include <stdbool.h>
#include <stddef.h>

enum { HEAD_BYTES_MAX = 16384, BODY_BYTES_KEPT_MAX = 65536 };

/* Bytes read from a socket and not consumed yet. */
struct reader {
    int fd;
    size_t at, end;
    char buf[8192];
};

long long now_ms(void);                              /* monotonic */
long long now_us(void);                              /* the same clock */
void wait_ms(long ms);                               /* the whole time, signals notwithstanding */
long env_number(const char *name, long fallback);    /* the variable as a number */
bool env_on(const char *name);                       /* set to "1" */
bool send_all(int fd, const void *data, size_t len);

/* Reads one request or response head, terminated by an empty line, into `head` (a string).
 * Returns its length, 0 when the peer closed before the first byte, -1 when it broke off or is too long. */
int read_head(struct reader *r, char *head);

/* Copies the value of header `name` out of `head`; false when there is none. */
bool header(const char *head, const char *name, char *value, size_t cap);

/* Reads a body framed by Transfer-Encoding or Content-Length, keeping at most `cap` bytes of it in `keep`
 * (which may be NULL). `to_close`: without either header the body ends with the connection. */
bool read_body(struct reader *r, const char *head, bool to_close, char *keep, size_t cap, size_t *kept);

int load_main(int argc, char **argv);                /* load.c */
void answer_connection(int fd);                      /* answer.c: serves one connection until it ends */
/* GETs `url` (http://NAME:PORT/PATH) and returns its status, 0 when there was no answer (fetch.c). */
long fetch(const char *url, char *version, size_t version_cap, char *body, size_t body_cap);
bool healthy(void);                                  /* answer.c: what /healthz says */
int requests_in_flight(void);                        /* answer.c */

extern long long started_ms;                         /* app.c: when the process began */
extern volatile bool stopping;                       /* app.c: SIGTERM was received */

#endif
