/* What a container reaches by name: one GET to another one, found through Docker's own name server (/fetch). A static
 * binary cannot rely on the C library for names, so the question is put here by hand: one UDP packet, A records only. */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DNS_PORT = 53, DNS_BYTES_MAX = 512, PATIENCE_SECONDS = 3 };

static int open_socket(int kind, struct in_addr ip, int port)
{
    struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = ip };
    int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A question for the A records of `name`; returns its length. */
static size_t put_question(unsigned char *packet, const char *name)
{
    static const unsigned char head[12] = { 0x4c, 0x46, 1, 0, 0, 1 }, tail[5] = { 0, 0, 1, 0, 1 };
    memcpy(packet, head, sizeof head);
    size_t at = sizeof head;
    while (*name) {
        size_t len = strcspn(name, ".");
        packet[at++] = (unsigned char)len;
        memcpy(packet + at, name, len);
        at += len;
        name += len + (name[len] == '.');
    }
    memcpy(packet + at, tail, sizeof tail);
    return at + sizeof tail;
}

/* The first address of the answer; what it says before that is of the length of the question, or pointers into it. */
static bool take_answer(const unsigned char *packet, size_t len, size_t at, struct in_addr *ip)
{
    int answers = len > 7 ? packet[6] << 8 | packet[7] : 0;
    while (answers-- > 0 && at + 12 <= len) {
        while (at < len && packet[at] && packet[at] < 0xc0)
            at += packet[at] + 1U;
        at += at < len && packet[at] ? 2 : 1;
        if (at + 10 > len)
            return false;
        size_t data = (size_t)(packet[at + 8] << 8 | packet[at + 9]);
        if (packet[at + 1] == 1 && data == 4 && at + 14 <= len) {
            memcpy(&ip->s_addr, packet + at + 10, 4);
            return true;
        }
        at += 10 + data;
    }
    return false;
}

static bool resolve(const char *name, struct in_addr *ip)
{
    unsigned char packet[DNS_BYTES_MAX];
    struct in_addr server;
    if (inet_pton(AF_INET, name, ip) == 1)
        return true;
    inet_pton(AF_INET, "127.0.0.11", &server);
    int fd = open_socket(SOCK_DGRAM, server, DNS_PORT);
    size_t asked = put_question(packet, name);
    ssize_t len = send(fd, packet, asked, 0) == (ssize_t)asked ? recv(fd, packet, sizeof packet, 0) : -1;
    close(fd);
    return len > 0 && take_answer(packet, (size_t)len, asked, ip);
}

long fetch(const char *url, char *version, size_t version_cap, char *body, size_t body_cap)
{
    char name[128], port[8] = "80", path[512] = "", request[1024], *head = malloc(HEAD_BYTES_MAX);
    struct in_addr ip;
    struct reader *r = calloc(1, sizeof *r);
    long status = 0;
    size_t kept = 0;
    bool found = head && r && sscanf(url, "http://%127[^:/]:%7[0-9]/%511s", name, port, path) >= 2 && resolve(name, &ip);
    if (found && (r->fd = open_socket(SOCK_STREAM, ip, atoi(port))) >= 0) {
        int len = snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, name);
        if (send_all(r->fd, request, (size_t)len) && read_head(r, head) > 0) {
            status = strtol(head + strcspn(head, " "), NULL, 10);
            header(head, "X-Version", version, version_cap);
            read_body(r, head, true, body, body_cap - 1, &kept);
        }
        close(r->fd);
    }
    body[kept] = '\0';
    free(head);
    free(r);
    return status;
}
