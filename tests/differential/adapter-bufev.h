/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DIFFERENTIAL_ADAPTER_BUFEV_H
#define TESTS_DIFFERENTIAL_ADAPTER_BUFEV_H

/* This library: see adapter.h. */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

/* --- Loops --------------------------------------------------------------- */

static inline void loop_open(struct loop *l)
{
	l->it = reactor_new(NULL);
	if (!l->it)
		abort();
}

static inline void loop_close(struct loop *l)
{
	reactor_free(l->it);
}

static inline void loop_turn(struct loop *l)
{
	if (reactor_turn(l->it, 0) < 0)
		abort();
}

static inline bool loop_wait(struct loop *l, int ms)
{
	uint64_t before = reactor_now(l->it);

	if (reactor_turn(l->it, ms) < 0)
		abort();
	return reactor_now(l->it) - before >= (uint64_t)ms;
}

static inline void loop_stop(struct reactor_timer *t)
{
	reactor_stop(*(struct reactor **)(void *)(t + 1));
}

static inline void loop_run(struct loop *l, int ms)
{
	struct {
		struct reactor_timer timer;
		struct reactor *reactor;
	} stop = { .timer.fire = loop_stop, .reactor = l->it };

	reactor_timer_start(l->it, &stop.timer, (uint64_t)ms);
	reactor_run(l->it);
	reactor_timer_stop(&stop.timer);
}

struct loop_timer {
	struct reactor_timer timer;
	struct after *after;
};

static inline void loop_fire(struct reactor_timer *t)
{
	struct after *a = ((struct loop_timer *)(void *)t)->after;

	free(t);
	a->fire(a);
}

static inline void loop_after(struct loop *l, struct after *a, int ms)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->timer.fire = loop_fire;
	t->after = a;
	reactor_timer_start(l->it, &t->timer, (uint64_t)ms);
}

static inline void loop_accepted(struct bufferevent_listener *listener, int fd,
				 const struct sockaddr *address,
				 socklen_t length, void *data)
{
	(void)listener;
	(void)address;
	(void)length;
	(void)data;
	close(fd);
}

static inline void loop_listen(struct loop *l, struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->listener = bufferevent_listen(l->it, (struct sockaddr *)address,
					 length, 0, loop_accepted, NULL);
	if (!l->listener ||
	    getsockname(bufferevent_listener_get_fd(l->listener),
			(struct sockaddr *)address, &length) < 0)
		abort();
}

static inline void loop_unlisten(struct loop *l)
{
	bufferevent_listener_free(l->listener);
}

/* --- Streams ------------------------------------------------------------- */

static inline void stream_called(struct bufferevent *b, unsigned what)
{
	struct stream *s = bufferevent_data(b);

	if (what == EVBUFFER_READ && s->on_read)
		s->on_read(s);
	else if (what == EVBUFFER_WRITE && s->on_write)
		s->on_write(s);
	else if (what != EVBUFFER_READ && what != EVBUFFER_WRITE && s->on_event)
		s->on_event(s, bufferevent_what_string(what));
}

/* Writing is enabled, reading is not. */
static inline bool stream_open(struct loop *l, struct stream *s, int fd)
{
	s->b = bufferevent_new_on(l->it, fd, stream_called, stream_called,
				  stream_called);
	if (s->b)
		bufferevent_set_data(s->b, s);
	return s->b;
}

static inline bool stream_connect(struct loop *l, struct stream *s,
				  const struct sockaddr *address, int length)
{
	s->b = bufferevent_connect(l->it, address, (socklen_t)length,
				   stream_called, stream_called, stream_called);
	if (s->b)
		bufferevent_set_data(s->b, s);
	return s->b;
}

static inline void stream_close(struct stream *s)
{
	bufferevent_free(s->b);
}

static inline struct evbuffer *stream_in(struct stream *s)
{
	return bufferevent_get_read(s->b);
}

static inline struct evbuffer *stream_out(struct stream *s)
{
	return bufferevent_get_write(s->b);
}

static inline bool stream_read_marks(struct stream *s, size_t low, size_t high)
{
	return bufferevent_set_read_watermarks(s->b, low, high) == 0;
}

static inline void stream_timeouts(struct stream *s, int read_ms, int write_ms)
{
	bufferevent_set_timeouts(s->b, (uint64_t)read_ms, (uint64_t)write_ms);
}

static inline void stream_flush(struct stream *s)
{
	bufferevent_flush(s->b);
}

/* --- Buffers ------------------------------------------------------------- */

static inline long buffer_search(struct evbuffer *b, size_t from,
				 const char *needle, size_t n)
{
	return (long)evbuffer_search(b, from, needle, n);
}

static inline long buffer_search_eol(struct evbuffer *b, size_t from,
				     enum evbuffer_eol kind, size_t *length)
{
	return (long)evbuffer_search_eol(b, from, kind, length);
}

static inline long buffer_copy(struct evbuffer *b, size_t from, void *out,
			       size_t n)
{
	return (long)evbuffer_copy(b, from, out, n);
}

static inline void *buffer_pullup(struct evbuffer *b, size_t n)
{
	return evbuffer_pullup(b, n);
}

/* Reserves room for n bytes and fills it. */
static inline bool buffer_fill(struct evbuffer *b, const char *bytes, size_t n)
{
	struct iovec v[2];
	size_t first;

	if (evbuffer_reserve(b, n, v) < 1)
		return false;
	first = v[0].iov_len < n ? v[0].iov_len : n;
	memcpy(v[0].iov_base, bytes, first);
	if (first < n)
		memcpy(v[1].iov_base, bytes + first, n - first);
	return evbuffer_commit(b, n) == 0;
}

/* The allocator of all but what is documented to be from malloc(3). */
static inline void buffer_set_allocator(void *(*allocate)(size_t),
					void *(*resize)(void *, size_t),
					void (*release)(void *))
{
	(void)allocate;
	bufev_set_allocator(resize, release);
}

#endif
