/* What the load client counts, and how it is told (see tally.h). "Lost" is no whole answer, or a 5xx. */
#define _GNU_SOURCE
#include "common.h"
#include "tally.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

// Versions that are told apart; a soak shows one client 101 of them.
enum { VERSIONS_MAX = 128 };

// Times fall into 32 buckets for each doubling, so that one is told to 3 %; the last holds all from four minutes on.
enum { BUCKETS_OF_TWO_BITS = 5, BUCKETS_OF_TWO = 1 << BUCKETS_OF_TWO_BITS, BUCKETS = 24 * BUCKETS_OF_TWO };

struct version {
    char name[32];
    long count;
    long long first_sent_ms, last_sent_ms, first_answer_ms, last_answer_ms;
};

static struct {
    pthread_mutex_t lock;
    long requests, lost_fresh, lost_kept, unexpected, idle_closed, announced_closes, max_ms;
    long took[BUCKETS];
    int versions;
    struct version version[VERSIONS_MAX];
    struct answer first_loss;
} result = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int bucket(long long us)
{
    if (us < BUCKETS_OF_TWO)
        return us < 0 ? 0 : (int)us;
    int shift = 63 - __builtin_clzll((unsigned long long)us) - BUCKETS_OF_TWO_BITS;
    int at = shift * BUCKETS_OF_TWO + (int)(us >> shift);
    return at < BUCKETS ? at : BUCKETS - 1;
}

/* Of so many of a thousand requests, none took longer: microseconds, rounded up to what the bucket ends with. */
static long long percentile_us(int of_thousand)
{
    long rank = (result.requests * of_thousand + 999) / 1000, seen = 0;
    int at = 0;
    while (at < BUCKETS - 1 && (seen += result.took[at]) < rank)
        at++;
    int shift = at < BUCKETS_OF_TWO ? 0 : at / BUCKETS_OF_TWO - 1;
    return ((long long)(at - shift * BUCKETS_OF_TWO + 1) << shift) - 1;
}

static struct version *find_version(const char *name)
{
    for (int i = 0; i < result.versions; i++)
        if (strcmp(result.version[i].name, name) == 0)
            return &result.version[i];
    struct version *v = &result.version[result.versions < VERSIONS_MAX - 1 ? result.versions++ : VERSIONS_MAX - 1];
    snprintf(v->name, sizeof v->name, "%s", name);
    return v;
}

/* The name goes into JSON: anything but plain characters becomes `_`. */
static void make_plain(char *name, size_t cap)
{
    if (!*name)
        snprintf(name, cap, "none");
    for (char *at = name; *at; at++)
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            *at = '_';
}

static void add_to_version(const struct answer *a)
{
    struct version *v = find_version(a->version);
    if (v->count++ == 0) {
        v->first_sent_ms = a->sent_ms;
        v->first_answer_ms = a->answer_ms;
    }
    v->first_sent_ms = a->sent_ms < v->first_sent_ms ? a->sent_ms : v->first_sent_ms;
    v->last_sent_ms = a->sent_ms > v->last_sent_ms ? a->sent_ms : v->last_sent_ms;
    v->last_answer_ms = a->answer_ms;
}

void tally_answer(struct answer *a)
{
    make_plain(a->version, sizeof a->version);
    pthread_mutex_lock(&result.lock);
    result.requests++;
    result.took[bucket(a->took_us)]++;
    if (a->took_us / 1000 > result.max_ms)
        result.max_ms = (long)(a->took_us / 1000);
    if (a->status == 0 || a->status >= 500) {
        if (result.lost_fresh + result.lost_kept == 0)
            result.first_loss = *a;
        ++*(a->kept ? &result.lost_kept : &result.lost_fresh);
    } else if (a->status != 200) {
        result.unexpected++;
    } else {
        add_to_version(a);
    }
    pthread_mutex_unlock(&result.lock);
}

static void count(long *counter)
{
    pthread_mutex_lock(&result.lock);
    ++*counter;
    pthread_mutex_unlock(&result.lock);
}

void tally_idle_close(void)
{
    count(&result.idle_closed);
}

void tally_announced_close(void)
{
    count(&result.announced_closes);
}

void tally_progress(long long second)
{
    pthread_mutex_lock(&result.lock);
    fprintf(stderr, "%3lld s: %ld requests, %ld lost\n", second, result.requests, result.lost_fresh + result.lost_kept);
    pthread_mutex_unlock(&result.lock);
}

static void print_first_loss(long long begun_ms)
{
    const struct answer *a = &result.first_loss;
    if (result.lost_fresh + result.lost_kept > 0)
        printf("\"first_loss\":{\"kept\":%s,\"status\":%d,\"sent_ms\":%lld,\"answer_ms\":%lld},",
            a->kept ? "true" : "false", a->status, a->sent_ms - begun_ms, a->answer_ms - begun_ms);
}

long tally_print(long long begun_ms)
{
    long lost = result.lost_fresh + result.lost_kept;
    double seconds = (double)(now_ms() - begun_ms) / 1000;
    printf("{\"requests\":%ld,\"lost\":%ld,\"lost_fresh\":%ld,\"lost_kept\":%ld,\"unexpected\":%ld,\"idle_closed\":%ld,"
        "\"announced_closes\":%ld,\"p50_us\":%lld,\"p99_us\":%lld,\"p999_us\":%lld,\"max_ms\":%ld,\"seconds\":%.1f,\"rps\":%.0f,", result.requests, lost,
        result.lost_fresh, result.lost_kept, result.unexpected, result.idle_closed, result.announced_closes,
        percentile_us(500), percentile_us(990), percentile_us(999), result.max_ms, seconds, seconds > 0 ? (double)result.requests / seconds : 0.0);
    print_first_loss(begun_ms);
    printf("\"versions\":{");
    for (int i = 0; i < result.versions; i++) {
        const struct version *v = &result.version[i];
        printf("%s\"%s\":{\"count\":%ld,\"first_sent_ms\":%lld,\"last_sent_ms\":%lld,\"first_answer_ms\":%lld,"
            "\"last_answer_ms\":%lld}", i ? "," : "", v->name, v->count, v->first_sent_ms - begun_ms,
            v->last_sent_ms - begun_ms, v->first_answer_ms - begun_ms, v->last_answer_ms - begun_ms);
    }
    printf("}}\n");
    return lost;
}
