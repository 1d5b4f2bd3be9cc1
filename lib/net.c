/* SPDX-License-Identifier: MIT */

/*
 * Connecting and accepting.
 *
 * A connect is a bufferevent that waits for its first write readiness.  A
 * listener is a plain watch, and a timer for the time in which there is no
 * descriptor to be had: accepting rests then, since the kernel would report the
 * waiting connection in every turn.
 */

#include <errno.h>

#include <bufev/net.h>

#include "bufferevent.h"
#include "memory.h"
#include "trace.h"

enum { ACCEPTS_A_TURN = 64, PAUSE_MS = 100 };

/* --- Out ----------------------------------------------------------------- */

/* The outcome, where connect(2) knows it already, comes in the next turn. */
static void note_outcome(struct bufferevent *b, int outcome)
{
	b->connecting = outcome != 0;
	b->greeting = outcome == 0;
	if (outcome == 0)
		bufev_trace_stream(b, TRACE_CONNECTED, 0);
	else if (outcome != EINPROGRESS)
		bufev_fail(b, WRITE, EVBUFFER_ERROR, outcome);
}

struct bufferevent *bufferevent_connect(struct reactor *r,
					const struct sockaddr *address,
					socklen_t length, bufferevent_cb *read,
					bufferevent_cb *write,
					bufferevent_cb *error)
{
	struct bufferevent *b;
	int fd, outcome, failure;

	if (!error) {
		errno = EINVAL;
		return NULL;
	}
	if (!r && !(r = reactor_default()))
		return NULL;
	bufev_reactor_check(r);
	fd = r->kernel->connect(r->self, address, length, &outcome);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	b = bufferevent_new_on(r, fd, read, write, error);
	if (!b) {
		failure = errno;
		r->kernel->close_fd(r->self, fd);
		errno = failure;
		return NULL;
	}
	b->owned = true;
	note_outcome(b, outcome);
	return b;
}

/* --- In ------------------------------------------------------------------ */

struct bufferevent_listener {
	struct reactor_watch watch;
	struct reactor_timer pause;
	struct reactor *reactor; /* which the watch forgets in a pause */
	int fd;
	bool outlives; /* the descriptor its reactor */
	bufferevent_accept_cb *accept;
	void *data;
	bool *freed; /* where the accepting loop learns of it */
};

/*
 * EMFILE and the like, which somebody's close() will end; also what will never
 * end: the kernel would report the listener in every turn.
 */
static void rest(struct bufferevent_listener *l)
{
	reactor_watch_stop(&l->watch);
	reactor_timer_start(l->reactor, &l->pause, PAUSE_MS);
}

static void accept_again(struct reactor_timer *t)
{
	struct bufferevent_listener *l =
		bufev_container(t, struct bufferevent_listener, pause);

	l->reactor->callbacks--; /* as below */
	if (reactor_watch_set(l->reactor, &l->watch, l->fd, EV_READ) < 0)
		reactor_timer_start(l->reactor, &l->pause, PAUSE_MS);
}

/* Whether to go on accepting. */
static bool accept_one(struct bufferevent_listener *l, struct reactor *r)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	bool freed = false;
	int fd;

	fd = r->kernel->accept(r->self, l->fd, (struct sockaddr *)&peer,
			       &length);
	if (fd == -ECONNABORTED || fd == -EPROTO || fd == -EINTR)
		return true;
	if (fd < 0) {
		if (fd != -EAGAIN)
			rest(l);
		return false;
	}
	if (bufev_traces(r))
		bufev_trace(r, "fd %d accepts fd %d", l->fd, fd);
	l->freed = &freed;
	l->accept(l, fd, (struct sockaddr *)&peer, length, l->data);
	bufev_reactor_called(r);
	if (freed)
		return false;
	l->freed = NULL;
	return !bufev_reactor_stopped(r);
}

static void accept_all(struct reactor_watch *w, unsigned events)
{
	struct bufferevent_listener *l =
		bufev_container(w, struct bufferevent_listener, watch);
	struct reactor *r = l->reactor;
	int accepts = ACCEPTS_A_TURN;

	(void)events;
	r->callbacks--; /* the reactor counts this one, which is not a user's */
	while (accepts > 0 && accept_one(l, r))
		accepts--;
}

struct bufferevent_listener *bufferevent_listen(
	struct reactor *r, const struct sockaddr *address, socklen_t length,
	unsigned flags, bufferevent_accept_cb *accept, void *data)
{
	struct bufferevent_listener *l;
	int failure;

	if (!accept ||
	    (flags & ~(BUFEV_LISTEN_REUSEPORT | BUFEV_LISTEN_V6ONLY))) {
		errno = EINVAL;
		return NULL;
	}
	if (!r && !(r = reactor_default()))
		return NULL;
	l = bufev_memory_zeroed(sizeof(*l));
	if (!l)
		return NULL;
	l->watch.ready = accept_all;
	l->pause.fire = accept_again;
	l->reactor = r;
	l->accept = accept;
	l->data = data;
	l->outlives = !r->kernel->own_fds;
	l->fd = r->kernel->listen(r->self, address, length, flags);
	if (l->fd < 0) {
		failure = -l->fd;
	} else {
		if (reactor_watch_set(r, &l->watch, l->fd, EV_READ) == 0)
			return l;
		failure = errno;
		r->kernel->close_fd(r->self, l->fd);
	}
	bufev_memory_free(l);
	errno = failure;
	return NULL;
}

void bufferevent_listener_free(struct bufferevent_listener *l)
{
	struct reactor *r;

	if (!l)
		return;
	if (l->freed)
		*l->freed = true;
	/* One of the two is started as long as the reactor is there. */
	r = l->watch.reactor ? l->watch.reactor : l->pause.reactor;
	reactor_watch_stop(&l->watch);
	reactor_timer_stop(&l->pause);
	if (r || l->outlives)
		bufev_reactor_close_fd(r, l->fd);
	bufev_memory_free(l);
}

int bufferevent_listener_get_fd(const struct bufferevent_listener *l)
{
	return l->fd;
}
