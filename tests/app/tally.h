/* What the load client counts (tally.c). Safe to call from every client thread. */
#ifndef LANDFALL_APP_TALLY_H
#define LANDFALL_APP_TALLY_H

#include <stdbool.h>

/* The end of one request; `status` 0 means that no whole answer came. Times are monotonic. */
struct answer {
    bool kept;              /* on a kept-alive connection */
    int status;
    char version[32];       /* X-Version, or "" */
    long long sent_ms, answer_ms;
    long long took_us;
};

void tally_answer(struct answer *a);
void tally_idle_close(void);        /* a kept-alive connection was closed while idle, without a word */
void tally_announced_close(void);   /* ... or by `Connection: close` in an answer */
void tally_progress(long long second);
long tally_print(long long begun_ms); /* one line of JSON on stdout; returns how many requests were lost */

#endif
