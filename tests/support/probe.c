/* SPDX-License-Identifier: MIT */

/*
 * See probe.h.  A pattern's byte depends on its position by a prime, so that
 * it does not repeat with the powers of two that buffers like.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"

enum { PRIME = 251, PIECE = 4096 };

struct reactor *probe_reactor(void **state)
{
	struct fixture *f = *state;

	return f->reactor;
}

static const char *name_of(unsigned what)
{
	switch (what) {
	case EVBUFFER_READ:
		return "read";
	case EVBUFFER_WRITE:
		return "write";
	case EVBUFFER_READ | EVBUFFER_EOF:
		return "read|eof";
	case EVBUFFER_READ | EVBUFFER_ERROR:
		return "read|error";
	case EVBUFFER_READ | EVBUFFER_TIMEOUT:
		return "read|timeout";
	case EVBUFFER_WRITE | EVBUFFER_ERROR:
		return "write|error";
	case EVBUFFER_WRITE | EVBUFFER_TIMEOUT:
		return "write|timeout";
	default:
		return "undocumented";
	}
}

static const char *last_entry(const struct probe *p)
{
	const char *space = strrchr(p->log, ' ');

	return space ? space + 1 : p->log;
}

static void write_down(struct probe *p, unsigned what)
{
	const char *name = name_of(what);
	size_t used = strlen(p->log);

	if (p->fold && strcmp(last_entry(p), name) == 0)
		return;
	if (used + strlen(name) + 2 > sizeof(p->log))
		return;
	snprintf(p->log + used, sizeof(p->log) - used, "%s%s",
		 used > 0 ? " " : "", name);
}

static void called(struct bufferevent *b, unsigned what)
{
	int error_number = errno;
	struct probe *p = bufferevent_data(b);

	assert_ptr_equal(b, p->bufferevent);
	write_down(p, what);
	p->what = what;
	p->error_number = error_number;
	p->error = bufferevent_error(b);
	p->enabled = bufferevent_get_enabled(b);
	p->held = probe_held(p);
	p->queued = probe_queued(p);
	if (p->on)
		p->on(p, what);
}

static void on_read(struct bufferevent *b, unsigned what)
{
	struct probe *p = bufferevent_data(b);

	p->reads++;
	assert_int_equal(what, EVBUFFER_READ);
	called(b, what);
}

static void on_write(struct bufferevent *b, unsigned what)
{
	struct probe *p = bufferevent_data(b);

	p->writes++;
	assert_int_equal(what, EVBUFFER_WRITE);
	called(b, what);
}

static void on_error(struct bufferevent *b, unsigned what)
{
	struct probe *p = bufferevent_data(b);

	p->errors++;
	called(b, what);
}

void probe_open(struct probe *p, struct reactor *r, int fd)
{
	memset(p, 0, sizeof(*p));
	p->reactor = r;
	p->fd = fd;
	p->peer = -1;
	p->bufferevent = bufferevent_new_on(r, fd, on_read, on_write, on_error);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
}

void probe_pair(struct probe *p, struct reactor *r)
{
	int fd[2];

	harness_pair(fd);
	probe_open(p, r, fd[0]);
	p->peer = fd[1];
}

void probe_tcp(struct probe *p, struct reactor *r)
{
	int fd[2];

	harness_tcp_pair(fd);
	probe_open(p, r, fd[0]);
	p->peer = fd[1];
}

void probe_free(struct probe *p)
{
	bufferevent_free(p->bufferevent);
	p->bufferevent = NULL;
}

void probe_end(struct probe *p)
{
	probe_free(p);
	if (p->fd >= 0)
		harness_close(p->fd);
	if (p->peer >= 0)
		harness_close(p->peer);
	p->fd = p->peer = -1;
}

void probe_hang_up(struct probe *p)
{
	harness_close(p->peer);
	p->peer = -1;
	harness_await(p->fd, POLLRDHUP | POLLHUP);
}

void probe_reset(struct probe *p)
{
	harness_reset(p->peer);
	p->peer = -1;
	harness_await(p->fd, POLLERR | POLLHUP);
}

void probe_expect(const struct probe *p, const char *log)
{
	assert_string_equal(p->log, log);
}

struct goal {
	const struct probe *probe;
	size_t length;
};

static bool reached(void *arg)
{
	const struct goal *goal = arg;

	return strlen(goal->probe->log) >= goal->length;
}

void probe_await(struct probe *p, const char *log, int max)
{
	struct goal goal = { p, strlen(log) };

	harness_turns(p->reactor, reached, &goal, max);
	probe_expect(p, log);
}

void probe_forget(struct probe *p)
{
	p->log[0] = '\0';
	p->reads = p->writes = p->errors = 0;
}

size_t probe_held(const struct probe *p)
{
	return evbuffer_get_length(bufferevent_get_read(p->bufferevent));
}

size_t probe_queued(const struct probe *p)
{
	return evbuffer_get_length(bufferevent_get_write(p->bufferevent));
}

static size_t pattern(unsigned char *piece, size_t from, size_t n)
{
	if (n > PIECE)
		n = PIECE;
	for (size_t i = 0; i < n; i++)
		piece[i] = (unsigned char)((from + i) % PRIME);
	return n;
}

static void check(const unsigned char *piece, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(piece[i], (from + i) % PRIME);
}

size_t probe_feed(struct probe *p, size_t n)
{
	unsigned char piece[PIECE];
	size_t before = p->fed;

	while (n > 0) {
		size_t some = pattern(piece, p->fed, n);
		ssize_t sent =
			send(p->peer, piece, some, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			break;
		}
		p->fed += (size_t)sent;
		n -= (size_t)sent;
	}
	return p->fed - before;
}

size_t probe_take(struct probe *p, size_t n)
{
	unsigned char piece[PIECE];
	size_t before = p->taken;

	while (n > 0) {
		size_t some = n < PIECE ? n : PIECE;

		some = bufferevent_read(p->bufferevent, piece, some);
		if (some == 0)
			break;
		check(piece, p->taken, some);
		p->taken += some;
		n -= some;
	}
	return p->taken - before;
}

void probe_queue(struct probe *p, size_t n)
{
	unsigned char piece[PIECE];

	while (n > 0) {
		size_t some = pattern(piece, p->asked, n);

		assert_int_equal(bufferevent_write(p->bufferevent, piece, some),
				 0);
		p->asked += some;
		n -= some;
	}
}

size_t probe_collect(struct probe *p, bool *end)
{
	unsigned char piece[PIECE];
	size_t before = p->collected;
	ssize_t n;

	while ((n = recv(p->peer, piece, PIECE, MSG_DONTWAIT)) > 0) {
		check(piece, p->collected, (size_t)n);
		p->collected += (size_t)n;
	}
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	if (end)
		*end = n == 0;
	return p->collected - before;
}

void probe_idle(struct reactor *r)
{
	enum { PAUSE = 30 };
	uint64_t start;

	assert_int_equal(harness_spin(r, 5), 0);
	start = harness_now_ms();
	assert_int_equal(reactor_turn(r, PAUSE), 0);
	assert_true(harness_now_ms() - start >= PAUSE - 1);
}
