/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DIFFERENTIAL_ADAPTER_LIBEVENT_H
#define TESTS_DIFFERENTIAL_ADAPTER_LIBEVENT_H

/* libevent 2.1: see adapter.h. */

#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* --- Loops --------------------------------------------------------------- */

/* What it warns of is known here. */
static inline void loop_log(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

static inline void loop_open(struct loop *l)
{
	event_set_log_callback(loop_log);
	l->it = event_base_new();
	if (!l->it)
		abort();
}

static inline void loop_close(struct loop *l)
{
	event_base_free(l->it);
}

static inline void loop_turn(struct loop *l)
{
	if (event_base_loop(l->it, EVLOOP_ONCE | EVLOOP_NONBLOCK) < 0)
		abort();
}

static inline struct timeval loop_time(int ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

static inline void loop_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static inline bool loop_wait(struct loop *l, int ms)
{
	struct timeval tv = loop_time(ms);
	bool expired = false;
	struct event *timer = evtimer_new(l->it, loop_expired, &expired);

	evtimer_add(timer, &tv);
	event_base_loop(l->it, EVLOOP_ONCE);
	event_free(timer);
	return expired;
}

static inline void loop_run(struct loop *l, int ms)
{
	struct timeval tv = loop_time(ms);

	event_base_loopexit(l->it, &tv);
	event_base_dispatch(l->it);
}

static inline void loop_fire(evutil_socket_t fd, short what, void *arg)
{
	struct after *a = arg;

	(void)fd;
	(void)what;
	a->fire(a);
}

static inline void loop_after(struct loop *l, struct after *a, int ms)
{
	struct timeval tv = loop_time(ms);

	event_base_once(l->it, -1, EV_TIMEOUT, loop_fire, a, &tv);
}

static inline void loop_accepted(struct evconnlistener *listener,
				 evutil_socket_t fd, struct sockaddr *address,
				 int length, void *data)
{
	(void)listener;
	(void)address;
	(void)length;
	(void)data;
	evutil_closesocket(fd);
}

static inline void loop_refused(struct evconnlistener *listener, void *data)
{
	(void)listener;
	(void)data;
}

static inline void loop_listen(struct loop *l, struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->listener = evconnlistener_new_bind(l->it, loop_accepted, NULL,
					      LEV_OPT_CLOSE_ON_FREE, -1,
					      (struct sockaddr *)address,
					      (int)length);
	if (!l->listener ||
	    getsockname(evconnlistener_get_fd(l->listener),
			(struct sockaddr *)address, &length) < 0)
		abort();
	/* Without one it warns, each time. */
	evconnlistener_set_error_cb(l->listener, loop_refused);
}

static inline void loop_unlisten(struct loop *l)
{
	evconnlistener_free(l->listener);
}

/* --- Streams ------------------------------------------------------------- */

static inline void stream_readable(struct bufferevent *b, void *arg)
{
	struct stream *s = arg;

	(void)b;
	if (s->on_read)
		s->on_read(s);
}

static inline void stream_writable(struct bufferevent *b, void *arg)
{
	struct stream *s = arg;

	(void)b;
	if (s->on_write)
		s->on_write(s);
}

static inline const char *stream_what(short what)
{
	switch (what) {
	case BEV_EVENT_READING | BEV_EVENT_EOF:
		return "read|eof";
	case BEV_EVENT_READING | BEV_EVENT_ERROR:
		return "read|error";
	case BEV_EVENT_READING | BEV_EVENT_TIMEOUT:
		return "read|timeout";
	case BEV_EVENT_WRITING | BEV_EVENT_ERROR:
		return "write|error";
	case BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT:
		return "write|timeout";
	case BEV_EVENT_CONNECTED:
		return "connected";
	case BEV_EVENT_ERROR:
		return "error";
	default:
		return "unknown";
	}
}

static inline void stream_happened(struct bufferevent *b, short what, void *arg)
{
	struct stream *s = arg;

	(void)b;
	if (s->on_event)
		s->on_event(s, stream_what(what));
}

static inline bool stream_adopt(struct stream *s, struct bufferevent *b)
{
	s->b = b;
	if (b)
		bufferevent_setcb(b, stream_readable, stream_writable,
				  stream_happened, s);
	return b;
}

/* Writing is enabled, reading is not. */
static inline bool stream_open(struct loop *l, struct stream *s, int fd)
{
	return stream_adopt(s, bufferevent_socket_new(l->it, fd, 0));
}

static inline bool stream_connect(struct loop *l, struct stream *s,
				  const struct sockaddr *address, int length)
{
	return stream_adopt(s, bufferevent_socket_new(l->it, -1,
						      BEV_OPT_CLOSE_ON_FREE)) &&
	       bufferevent_socket_connect(s->b, address, length) == 0;
}

static inline void stream_close(struct stream *s)
{
	bufferevent_free(s->b);
}

static inline struct evbuffer *stream_in(struct stream *s)
{
	return bufferevent_get_input(s->b);
}

static inline struct evbuffer *stream_out(struct stream *s)
{
	return bufferevent_get_output(s->b);
}

static inline bool stream_read_marks(struct stream *s, size_t low, size_t high)
{
	bufferevent_setwatermark(s->b, EV_READ, low, high);
	return true;
}

static inline void stream_timeouts(struct stream *s, int read_ms, int write_ms)
{
	struct timeval r = loop_time(read_ms), w = loop_time(write_ms);

	bufferevent_set_timeouts(s->b, read_ms ? &r : NULL,
				 write_ms ? &w : NULL);
}

static inline void stream_flush(struct stream *s)
{
	bufferevent_flush(s->b, EV_WRITE, BEV_FLUSH);
}

/* --- Buffers ------------------------------------------------------------- */

#define evbuffer_eol evbuffer_eol_style

static inline long buffer_search(struct evbuffer *b, size_t from,
				 const char *needle, size_t n)
{
	struct evbuffer_ptr at;

	if (evbuffer_ptr_set(b, &at, from, EVBUFFER_PTR_SET) < 0)
		return -1;
	return (long)evbuffer_search(b, needle, n, &at).pos;
}

static inline long buffer_search_eol(struct evbuffer *b, size_t from,
				     enum evbuffer_eol_style kind,
				     size_t *length)
{
	struct evbuffer_ptr at;

	if (evbuffer_ptr_set(b, &at, from, EVBUFFER_PTR_SET) < 0)
		return -1;
	return (long)evbuffer_search_eol(b, &at, length, kind).pos;
}

static inline long buffer_copy(struct evbuffer *b, size_t from, void *out,
			       size_t n)
{
	struct evbuffer_ptr at;

	if (evbuffer_ptr_set(b, &at, from, EVBUFFER_PTR_SET) < 0)
		return 0;
	return (long)evbuffer_copyout_from(b, &at, out, n);
}

static inline void *buffer_pullup(struct evbuffer *b, size_t n)
{
	return evbuffer_pullup(b, (ev_ssize_t)n);
}

/* Reserves room for n bytes and fills it. */
static inline bool buffer_fill(struct evbuffer *b, const char *bytes, size_t n)
{
	struct evbuffer_iovec v[2];
	int pieces = evbuffer_reserve_space(b, (ev_ssize_t)n, v, 2);

	if (pieces < 1)
		return false;
	if (v[0].iov_len > n)
		v[0].iov_len = n;
	memcpy(v[0].iov_base, bytes, v[0].iov_len);
	if (v[0].iov_len == n)
		return evbuffer_commit_space(b, v, 1) == 0;
	v[1].iov_len = n - v[0].iov_len;
	memcpy(v[1].iov_base, bytes + v[0].iov_len, v[1].iov_len);
	return evbuffer_commit_space(b, v, 2) == 0;
}

static inline void buffer_set_allocator(void *(*allocate)(size_t),
					void *(*resize)(void *, size_t),
					void (*release)(void *))
{
	event_set_mem_functions(allocate, resize, release);
}

#endif
