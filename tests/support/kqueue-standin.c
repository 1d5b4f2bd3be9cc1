/* SPDX-License-Identifier: MIT */
/*
 * A queue is an array of filters and an empty file, whose descriptor is the
 * queue's, and whose inode tells whether it still is: close(2) is not seen, so
 * what was left of closed queues is freed when the next one is made, or at
 * exit.
 *
 * Each look at a filter asks poll(2) what the descriptor is like now.  See
 * kqueue-standin.h.
 */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "kqueue-standin.h"

/* What a filter says of its descriptor. */
struct look {
	bool ready, eof;
	unsigned error;
	int64_t data;
};

struct filter {
	int fd;
	short filter;
	unsigned short flags;
	dev_t dev; /* who fd was when it was added */
	ino_t ino;
	struct look reported; /* with EV_CLEAR: not again until this changes */
};

struct queue {
	struct queue *next;
	int fd;
	ino_t ino;
	struct filter *filter;
	size_t count, room, first; /* where the next call begins */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct queue *queues; /* guarded by lock; the queues are not */

/* --- Queues -------------------------------------------------------------- */

static bool is_open(const struct queue *q)
{
	struct stat s;

	return fstat(q->fd, &s) == 0 && s.st_ino == q->ino &&
	       S_ISREG(s.st_mode);
}

static void drop(struct queue *q)
{
	free(q->filter);
	free(q);
}

/* Frees all queues, or those that were closed. */
static void sweep(bool all)
{
	struct queue **at = &queues, *q;

	while ((q = *at)) {
		if (!all && is_open(q)) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		drop(q);
	}
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	for (const struct queue *q = queues; q; q = q->next)
		if (is_open(q))
			close(q->fd);
	sweep(true);
	pthread_mutex_unlock(&lock);
}

static void watch_fork(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

__attribute__((destructor)) static void sweep_at_exit(void)
{
	pthread_mutex_lock(&lock);
	sweep(true);
	pthread_mutex_unlock(&lock);
}

int kqueue(void)
{
	struct queue *q = calloc(1, sizeof(*q));
	struct stat s;

	pthread_once(&once, watch_fork);
	if (!q)
		return -1;
	q->fd = memfd_create("kqueue", 0);
	if (q->fd < 0 || fstat(q->fd, &s) < 0) {
		free(q);
		return -1;
	}
	pthread_mutex_lock(&lock);
	sweep(false);
	q->ino = s.st_ino;
	q->next = queues;
	queues = q;
	pthread_mutex_unlock(&lock);
	return q->fd;
}

static struct queue *find_queue(int fd)
{
	struct queue *q;

	pthread_mutex_lock(&lock);
	for (q = queues; q; q = q->next)
		if (q->fd == fd && is_open(q))
			break;
	pthread_mutex_unlock(&lock);
	return q;
}

/* --- Looking ------------------------------------------------------------- */

/*
 * Has our side been shut down?  On a local socket, to send nothing does nothing
 * but tell; on TCP it might take away the error of a reset.
 */
static bool is_shut(int fd)
{
	int domain = AF_UNSPEC;
	struct tcp_info info;
	socklen_t length = sizeof(domain);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
	if (domain == AF_UNIX)
		return send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		       errno == EPIPE;
	length = sizeof(info);
	if (domain == AF_UNSPEC ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	return info.tcpi_state == TCP_FIN_WAIT1 ||
	       info.tcpi_state == TCP_FIN_WAIT2 ||
	       info.tcpi_state == TCP_CLOSING ||
	       info.tcpi_state == TCP_LAST_ACK;
}

static int64_t readable(int fd)
{
	int n = 0;

	ioctl(fd, FIONREAD, &n);
	return n;
}

static int64_t writable(int fd)
{
	int size = 0, used = 0;
	socklen_t length = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) < 0 ||
	    ioctl(fd, SIOCOUTQ, &used) < 0)
		return PIPE_BUF;
	return size - used;
}

static struct look look_at(const struct filter *f, short events)
{
	struct look look = { 0 };

	if (events & POLLERR)
		look.error = ECONNRESET;
	if (f->filter == EVFILT_READ) {
		look.eof = events & (POLLRDHUP | POLLHUP);
		look.ready = look.eof || (events & (POLLIN | POLLERR));
		look.data = readable(f->fd);
	} else {
		look.eof = (events & (POLLERR | POLLHUP)) || is_shut(f->fd);
		look.ready = look.eof || (events & POLLOUT);
		look.data = writable(f->fd);
	}
	return look;
}

static bool same(const struct look *a, const struct look *b)
{
	return a->ready == b->ready && a->eof == b->eof &&
	       a->error == b->error && a->data == b->data;
}

static short asked(const struct filter *f)
{
	return f->filter == EVFILT_READ ? POLLIN | POLLRDHUP : POLLOUT;
}

/* What it says, if it has something to say now. */
static bool is_triggered(struct filter *f, struct look *look)
{
	struct pollfd p = { .fd = f->fd, .events = asked(f) };

	if (poll(&p, 1, 0) < 0)
		return false;
	*look = look_at(f, p.revents);
	if (!(f->flags & EV_CLEAR))
		return look->ready;
	if (!look->ready)
		f->reported = *look;
	return look->ready && !same(look, &f->reported);
}

/* --- Filters ------------------------------------------------------------- */

static bool is_alive(const struct filter *f)
{
	struct stat s;

	return fstat(f->fd, &s) == 0 && s.st_dev == f->dev &&
	       s.st_ino == f->ino;
}

static void remove_filter(struct queue *q, size_t at)
{
	q->count--;
	memmove(&q->filter[at], &q->filter[at + 1],
		(q->count - at) * sizeof(*q->filter));
	if (at < q->first)
		q->first--;
}

static void delete_closed(struct queue *q)
{
	for (size_t i = q->count; i-- > 0;)
		if (!is_alive(&q->filter[i]))
			remove_filter(q, i);
}

/* Its index, or that after the last. */
static size_t find(const struct queue *q, const struct kevent *e)
{
	size_t i = 0;

	while (i < q->count && (q->filter[i].fd != (int)e->ident ||
				q->filter[i].filter != e->filter))
		i++;
	return i;
}

int kqueue_standin_refusal = ENODEV;

/* Can the file have such a filter?  0, or an errno. */
static int refuse(int fd, const struct stat *s, short filter)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (S_ISCHR(s->st_mode) && !isatty(fd))
		return kqueue_standin_refusal;
	if (S_ISFIFO(s->st_mode) && filter == EVFILT_WRITE &&
	    poll(&p, 1, 0) == 1 && (p.revents & POLLERR))
		return EPIPE;
	return 0;
}

/* The last one to be looked at is that before the first. */
static int append(struct queue *q, const struct filter *added)
{
	size_t room = q->room ? q->room * 2 : 16;
	struct filter *filter;

	if (q->count == q->room) {
		filter = realloc(q->filter, room * sizeof(*filter));
		if (!filter)
			return ENOMEM;
		q->filter = filter;
		q->room = room;
	}
	memmove(&q->filter[q->first + 1], &q->filter[q->first],
		(q->count - q->first) * sizeof(*filter));
	q->filter[q->first++] = *added;
	q->count++;
	return 0;
}

/* 0 or an errno. */
static int apply(struct queue *q, const struct kevent *e)
{
	struct filter added = { .fd = (int)e->ident, .filter = e->filter };
	size_t at = find(q, e);
	struct stat s;
	int error;

	if (e->filter != EVFILT_READ && e->filter != EVFILT_WRITE)
		return EINVAL;
	if (fstat(added.fd, &s) < 0)
		return EBADF;
	if (e->flags & EV_DELETE) {
		if (at == q->count)
			return ENOENT;
		remove_filter(q, at);
		return 0;
	}
	if (at < q->count)
		return 0;
	if (!(e->flags & EV_ADD))
		return ENOENT;
	error = refuse(added.fd, &s, e->filter);
	if (error != 0)
		return error;
	added.flags = e->flags & EV_CLEAR;
	added.dev = s.st_dev;
	added.ino = s.st_ino;
	return append(q, &added);
}

/* How many receipts and errors there were, or -1. */
static int apply_all(struct queue *q, const struct kevent *changes, int count,
		     struct kevent *events, int room)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		int error = apply(q, &changes[i]);

		if (error == 0 && !(changes[i].flags & EV_RECEIPT))
			continue;
		if (n < room) {
			events[n] = changes[i];
			events[n].flags |= EV_ERROR;
			events[n++].data = error;
		} else if (error != 0) {
			errno = error;
			return -1;
		}
	}
	return n;
}

/* --- Waiting ------------------------------------------------------------- */

static struct kevent event_of(const struct filter *f, const struct look *look)
{
	struct kevent e = { .ident = (uintptr_t)f->fd,
			    .filter = f->filter,
			    .flags = f->flags,
			    .fflags = look->error,
			    .data = look->data };

	if (look->eof)
		e.flags |= EV_EOF;
	return e;
}

static int collect(struct queue *q, struct kevent *events, int room)
{
	size_t first = q->first;
	int n = 0;

	for (size_t i = 0; i < q->count && n < room; i++) {
		struct filter *f = &q->filter[(first + i) % q->count];
		struct look look;

		if (!is_triggered(f, &look))
			continue;
		f->reported = look;
		events[n++] = event_of(f, &look);
		q->first = (first + i + 1) % q->count;
	}
	return n;
}

/*
 * What would wake us.  What has been reported with EV_CLEAR, and is still so,
 * would wake us for nothing.
 */
static struct pollfd alarm_of(const struct filter *f)
{
	struct pollfd p = { .fd = f->fd, .events = asked(f) };

	if (!(f->flags & EV_CLEAR) || !f->reported.ready)
		return p;
	if (f->reported.eof || f->reported.error)
		p.fd = -1;
	p.events = f->filter == EVFILT_READ ? POLLRDHUP : 0;
	return p;
}

/* Less than 0, or whether it was woken. */
static int sleep_until_woken(const struct queue *q, const struct timespec *left)
{
	struct pollfd *p = calloc(q->count + 1, sizeof(*p));
	int n;

	if (!p)
		return -1;
	for (size_t i = 0; i < q->count; i++)
		p[i] = alarm_of(&q->filter[i]);
	n = ppoll(p, q->count, left, NULL);
	free(p);
	return n;
}

/* What is left until then; false: nothing. */
static bool remains(const struct timespec *then, struct timespec *left)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = then->tv_sec - now.tv_sec;
	left->tv_nsec = then->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_nsec += 1000000000;
		left->tv_sec--;
	}
	return left->tv_sec > 0 || (left->tv_sec == 0 && left->tv_nsec > 0);
}

static struct timespec after(const struct timespec *timeout)
{
	struct timespec then;

	clock_gettime(CLOCK_MONOTONIC, &then);
	then.tv_sec += timeout->tv_sec;
	then.tv_nsec += timeout->tv_nsec;
	if (then.tv_nsec >= 1000000000) {
		then.tv_nsec -= 1000000000;
		then.tv_sec++;
	}
	return then;
}

int kevent(int kq, const struct kevent *changes, int change_count,
	   struct kevent *events, int event_count,
	   const struct timespec *timeout)
{
	struct queue *q = find_queue(kq);
	struct timespec then = { 0, 0 }, left;
	int n;

	if (!q) {
		errno = EBADF;
		return -1;
	}
	if (timeout)
		then = after(timeout);
	delete_closed(q);
	n = apply_all(q, changes, change_count, events, event_count);
	if (n != 0 || event_count == 0)
		return n;
	for (;;) {
		n = collect(q, events, event_count);
		if (n > 0 || (timeout && !remains(&then, &left)))
			return n;
		if (sleep_until_woken(q, timeout ? &left : NULL) < 0)
			return -1;
	}
}

int kqueue_standin_count(int kq)
{
	struct queue *q = find_queue(kq);

	if (!q)
		return -1;
	delete_closed(q);
	return (int)q->count;
}
