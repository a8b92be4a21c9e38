/* A peer: the limit. It joins writes as the chat does, and neither checks nor stores anything. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* As in chat/journal.py, chat/hub.py and chat/client.py. */
#define BATCH_DELAY 0.002
#define FLUSH_PAUSE 0.25
#define UNREAD_LIMIT (256 * 1024)
#define SEND_BUFFER (64 * 1024)

#define MOST_READERS 20000
#define IN_SIZE 4096         /* bytes that one frame or request may have */
#define BATCH_SIZE (1 << 20) /* bytes that may wait for the next flush */

struct reader {
    int fd;
    bool upgraded, gone;
    size_t in_size, unread_size;
    unsigned char in[IN_SIZE];
    unsigned char *unread; /* what the kernel has not taken yet; NULL while that is nothing */
};

static struct reader *readers[MOST_READERS];
static int count, epoll;
static unsigned char batch[BATCH_SIZE];
static size_t batch_size;
static double flush_at, next_flush_at; /* seconds */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void watch(struct reader *reader, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = reader};
    epoll_ctl(epoll, operation, reader->fd, &event);
}

/* Send what the kernel takes; keep the rest, unless the reader has left too much unread. */
static void write_to(struct reader *reader, const unsigned char *data, size_t size) {
    if (!reader->unread) {
        ssize_t sent = send(reader->fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            reader->gone = true;
            return;
        }
        if (sent == (ssize_t)size)
            return;
        data += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : sent;
        reader->unread = malloc(UNREAD_LIMIT + BATCH_SIZE);
        watch(reader, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
    memcpy(reader->unread + reader->unread_size, data, size);
    reader->unread_size += size;
}

/* Send what was left. */
static void write_unread(struct reader *reader) {
    ssize_t sent = send(reader->fd, reader->unread, reader->unread_size, MSG_NOSIGNAL);
    if (sent < 0) {
        reader->gone = errno != EAGAIN;
        return;
    }
    reader->unread_size -= sent;
    memmove(reader->unread, reader->unread + sent, reader->unread_size);
    if (!reader->unread_size) {
        free(reader->unread);
        reader->unread = NULL;
        watch(reader, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void flush(void) {
    double started = now();
    for (int i = 0; i < count; i++) {
        if (!readers[i]->upgraded || readers[i]->gone)
            continue;
        if (readers[i]->unread_size > UNREAD_LIMIT)
            readers[i]->gone = true;
        else
            write_to(readers[i], batch, batch_size);
    }
    batch_size = 0;
    next_flush_at = now() + FLUSH_PAUSE * (now() - started);
}

/* Put a text frame into the batch, as it goes to everybody. */
static void broadcast(const unsigned char *payload, size_t size) {
    if (batch_size + size + 4 > BATCH_SIZE)
        flush();
    if (!batch_size) {
        flush_at = now() + BATCH_DELAY;
        if (flush_at < next_flush_at)
            flush_at = next_flush_at;
    }
    batch[batch_size++] = 0x81;
    if (size < 126) {
        batch[batch_size++] = size;
    } else {
        batch[batch_size++] = 126;
        batch[batch_size++] = size >> 8;
        batch[batch_size++] = size & 0xff;
    }
    memcpy(batch + batch_size, payload, size);
    batch_size += size;
}

/* Take one frame from the front of what came; return its size, or 0 if it is not complete. */
static size_t take_frame(struct reader *reader, unsigned char *in, size_t available) {
    if (available < 2)
        return 0;
    size_t head = 2, size = in[1] & 0x7f;
    if (size == 126) {
        if (available < 4)
            return 0;
        size = in[2] << 8 | in[3];
        head = 4;
    }
    if (!(in[1] & 0x80) || size == 127 || head + 4 + size > IN_SIZE) {
        reader->gone = true;
        return 0;
    }
    if (available < head + 4 + size)
        return 0;
    unsigned char *mask = in + head, *payload = mask + 4;
    for (size_t i = 0; i < size; i++)
        payload[i] ^= mask[i & 3];
    if (in[0] == 0x81)
        broadcast(payload, size);
    else if ((in[0] & 0x0f) < 9) /* the end, a part of a message, or no text */
        reader->gone = true;
    return head + 4 + size;
}

/* Answer the request if it is complete; return its size, or 0. */
static size_t upgrade(struct reader *reader) {
    /* The load sends the key of RFC 6455's example, so this is the right answer. */
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    unsigned char *end = memmem(reader->in, reader->in_size, "\r\n\r\n", 4);
    if (!end)
        return 0;
    reader->upgraded = true;
    write_to(reader, (const unsigned char *)answer, sizeof answer - 1);
    return end + 4 - reader->in;
}

static void read_from(struct reader *reader) {
    size_t room = IN_SIZE - reader->in_size, taken = 0, size;
    ssize_t got = recv(reader->fd, reader->in + reader->in_size, room, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        reader->gone = true;
        return;
    }
    reader->in_size += got;
    if (!reader->upgraded)
        taken = upgrade(reader);
    while (reader->upgraded && !reader->gone &&
           (size = take_frame(reader, reader->in + taken, reader->in_size - taken)))
        taken += size;
    reader->in_size -= taken;
    memmove(reader->in, reader->in + taken, reader->in_size);
    if (reader->in_size == IN_SIZE)
        reader->gone = true;
}

static void accept_from(int listener) {
    int fd, on = 1, buffer = SEND_BUFFER;
    while (count < MOST_READERS && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        struct reader *reader = calloc(1, sizeof *reader);
        reader->fd = fd;
        readers[count++] = reader;
        watch(reader, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void forget_the_gone(void) {
    for (int i = count - 1; i >= 0; i--)
        if (readers[i]->gone) {
            close(readers[i]->fd);
            free(readers[i]->unread);
            free(readers[i]);
            readers[i] = readers[--count];
        }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 2048))
        return 1;
    epoll = epoll_create1(0);
    struct epoll_event events[256], listening = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
    for (;;) {
        /* Like asyncio's, the clock has whole milliseconds, rounded up. */
        double wait = batch_size ? (flush_at - now()) * 1000 : -1;
        int ready = epoll_wait(epoll, events, 256, !batch_size ? -1 : wait < 0 ? 0 : (int)wait + 1);
        for (int i = 0; i < ready; i++) {
            struct reader *reader = events[i].data.ptr;
            if (!reader)
                accept_from(listener);
            else if (!reader->gone && events[i].events & EPOLLOUT && reader->unread)
                write_unread(reader);
            if (reader && !reader->gone && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_from(reader);
        }
        if (batch_size && now() >= flush_at)
            flush();
        forget_the_gone();
    }
}
