/* Round trips over TCP: an echo server, a client that times single exchanges, a client that opens connections.
 *
 *   rtt serve ADDRESS PORT              prints "up", answers until it is ended
 *   rtt echo ADDRESS PORT COUNT         64-octet exchanges on one connection; prints p50 and p99 in microseconds
 *   rtt connect ADDRESS PORT COUNT      connect, one octet each way, close; prints connections per second, p50, p99
 *
 * A connection says what it wants by its first octet: 'e' echo for ever, 'c' one answer and close. The server closes
 * first, so that no port of the client is held by TIME-WAIT and COUNT may exceed the range of ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 64

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
    if (inet_pton(AF_INET, address, &a.sin_addr) != 1) die(address);
    return a;
}

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void serve(struct sockaddr_in a)
{
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024)) die("listen");
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    printf("up\n");
    fflush(stdout);
    for (;;) {
        if (epoll_wait(poll, &event, 1, -1) < 1) continue;
        int fd = event.data.fd;
        if (fd == listener) {
            fd = accept(listener, NULL, NULL);
            if (fd < 0) continue;
            no_delay(fd);
            event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
            continue;
        }
        char message[MESSAGE];
        ssize_t n = recv(fd, message, sizeof message, 0);
        if (n <= 0 || send(fd, message, n, MSG_NOSIGNAL) != n || message[0] == 'c') close(fd);
    }
}

static int open_connection(const struct sockaddr_in *a)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    no_delay(fd);
    if (connect(fd, (const struct sockaddr *)a, sizeof *a)) die("connect");
    return fd;
}

static void exchange(int fd, char *message, size_t length)
{
    if (send(fd, message, length, MSG_NOSIGNAL) != (ssize_t)length) die("send");
    for (size_t got = 0; got < length;) {
        ssize_t n = recv(fd, message, length - got, 0);
        if (n <= 0) die("recv");
        got += n;
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int count, char **words)
{
    if (count < 4) return 2;
    struct sockaddr_in a = endpoint(words[2], words[3]);
    if (!strcmp(words[1], "serve")) serve(a);
    if (count < 5) return 2;

    int total = atoi(words[4]), is_echo = !strcmp(words[1], "echo");
    double *spans = calloc(total, sizeof *spans), start = now_us();
    char message[MESSAGE];
    int fd = is_echo ? open_connection(&a) : -1;
    for (int i = 0; i < total; i++) {
        double before = now_us();
        memset(message, is_echo ? 'e' : 'c', sizeof message);
        if (is_echo) {
            exchange(fd, message, MESSAGE);
        } else {
            fd = open_connection(&a);
            exchange(fd, message, 1);
            recv(fd, message, 1, 0); /* the end of the stream: the server closed first */
            close(fd);
        }
        spans[i] = now_us() - before;
    }
    double seconds = (now_us() - start) / 1e6;
    qsort(spans, total, sizeof *spans, ascending);
    printf("{\"per_second\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", total / seconds, spans[total / 2],
           spans[total * 99 / 100]);
    return 0;
}
