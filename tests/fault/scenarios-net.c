/* SPDX-License-Identifier: MIT */

/*
 * Connections from their beginning: both ends are bufferevents, each of which
 * plays the peer of the other.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "calls.h"
#include "scenarios.h"

enum { CLIENT, SERVER };

/* What connects may be told only once. */
static int outcomes;

/* --- Addresses ----------------------------------------------------------- */

struct address {
	struct sockaddr_storage at;
	socklen_t length;
};

/* In the abstract namespace: there is nothing to unlink. */
static struct address local_address(void)
{
	struct address a = { .length = 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a.at;
	int n;

	un->sun_family = AF_UNIX;
	n = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1,
		     "bufev-fault-%ld", (long)getpid());
	a.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			       (size_t)n);
	return a;
}

static struct address loopback(void)
{
	struct address a = { .length = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a.at;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static struct address loopback6(void)
{
	struct address a = { .length = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&a.at;

	in->sin6_family = AF_INET6;
	in->sin6_addr = in6addr_loopback;
	return a;
}

/* A socket of the test's own; -1 where the system has none of that kind. */
static int own_listener(struct address a, int backlog)
{
	int fd;

	fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&a.at, a.length) < 0 ||
			(backlog >= 0 && listen(fd, backlog) < 0))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Where a socket was bound to. */
static struct address address_of(int fd)
{
	struct address a = { .length = sizeof(a.at) };

	getsockname(fd, (struct sockaddr *)&a.at, &a.length);
	return a;
}

/* --- In ------------------------------------------------------------------ */

/* The last one counts: a connect that failed may have left one before it. */
static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *from, socklen_t length, void *data)
{
	struct world *w = data;
	struct stream *s = &w->stream[SERVER];

	(void)l;
	(void)length;
	w->called++;
	world_expect(w, from != NULL, "from nowhere");
	stream_end(s);
	s->queued = s->taken = 0;
	if (!stream_on(s, fd, -1)) {
		w->stream[CLIENT].loses = true;
		own_close(&s->fd);
		return;
	}
	s->fd = -1;
	bufferevent_own_fd(s->b, true);
	stream_enable(s, EV_READ);
	stream_queue(s, 300);
}

static bool listen_at(struct world *w, struct address a, unsigned flags)
{
	for (int tries = 0; tries < 2 && !w->listener; tries++) {
		w->listener =
			bufferevent_listen(w->reactor, (struct sockaddr *)&a.at,
					   a.length, flags, on_accept, w);
		if (!w->listener)
			world_refused(w, "bufferevent_listen");
	}
	return w->listener != NULL;
}

/* --- Out ----------------------------------------------------------------- */

static void unused(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	world_complain(world, "a callback was called that was replaced");
}

/* The first callback is the outcome, and a write callback or an error of it. */
static void on_outcome(struct stream *s, unsigned what)
{
	if (outcomes++ == 0)
		world_expect(s->world, what & EVBUFFER_WRITE,
			     "something precedes the outcome");
	if (s->told & EVBUFFER_WRITE)
		s->loses = s->gives_up = true;
}

static bool connect_to(struct world *w, struct address a)
{
	struct stream *s = &w->stream[CLIENT];
	struct bufferevent *b = NULL;

	outcomes = 0;
	for (int tries = 0; tries < 2 && !b; tries++) {
		b = bufferevent_connect(w->reactor, (struct sockaddr *)&a.at,
					a.length, unused, unused, unused);
		if (!b)
			world_refused(w, "bufferevent_connect");
	}
	if (!b)
		return false;
	stream_adopt(s, b);
	s->on = on_outcome;
	stream_enable(s, EV_READ);
	stream_queue(s, 400);
	return true;
}

/* --- Together ------------------------------------------------------------ */

static bool are_through(struct world *w)
{
	return w->stream[SERVER].b && stream_is_through(&w->stream[CLIENT]);
}

static void pair_up(struct world *w)
{
	w->stream[CLIENT].other = &w->stream[SERVER];
	w->stream[SERVER].other = &w->stream[CLIENT];
}

/* Of a client that waits to be accepted nothing is known. */
static void leave_unaccepted(struct world *w)
{
	if (!w->stream[SERVER].b)
		w->stream[CLIENT].loses = true;
}

/* Who was not accepted while something was wrong is when it is not. */
static void accept_the_rest(struct world *w)
{
	struct stream *s = &w->stream[CLIENT];

	if (!w->listener || !s->b || s->told || !w->reactor || w->called > 0)
		return;
	if (!world_insist(w, are_through) && !s->told)
		world_complain(w, "somebody is never accepted");
}

static void meet(struct world *w, struct address a, unsigned flags)
{
	pair_up(w);
	if (!listen_at(w, a, flags))
		return;
	if (!connect_to(w,
			address_of(bufferevent_listener_get_fd(w->listener))))
		return;
	w->done = world_run(w, are_through);
	world_expect(w, w->done ? outcomes > 0 : true, "no outcome");
	leave_unaccepted(w);
}

static void meet_here(struct world *w)
{
	meet(w, local_address(), 0);
}

static void meet_on_loopback(struct world *w)
{
	w->patient = true;
	meet(w, loopback(), BUFEV_LISTEN_REUSEPORT);
}

/* Where there is no IPv6 this is nothing. */
static void meet_on_ipv6(struct world *w)
{
	int fd = own_listener(loopback6(), -1);

	w->patient = true;
	w->done = fd < 0;
	if (w->done)
		return;
	own_close(&fd);
	meet(w, loopback6(), BUFEV_LISTEN_V6ONLY);
}

/* Somebody has the address, but does not listen. */
static void be_refused(struct world *w)
{
	struct stream *s = &w->stream[CLIENT];

	w->patient = true;
	s->loses = s->gives_up = true;
	w->fd[0] = own_listener(loopback(), -1);
	if (!connect_to(w, address_of(w->fd[0])))
		return;
	w->done = world_run(w, is_told) && s->error == ECONNREFUSED;
	world_expect(w, outcomes <= 1, "more than one outcome");
}

/* The queue of the listener is full, so that nobody answers. */
static void be_ignored(struct world *w)
{
	struct stream *s = &w->stream[CLIENT];
	struct address a;

	s->loses = s->gives_up = true;
	w->fd[0] = own_listener(loopback(), 0);
	a = address_of(w->fd[0]);
	w->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	connect(w->fd[1], (struct sockaddr *)&a.at, a.length);
	if (!connect_to(w, a))
		return;
	bufferevent_set_timeouts(s->b, 0, 100);
	w->done = world_run(w, is_told) &&
		  s->what == (EVBUFFER_WRITE | EVBUFFER_TIMEOUT);
	world_expect(w, outcomes <= 1, "more than one outcome");
}

static bool was_accepted(struct world *w)
{
	return w->called > 0;
}

/* There is no descriptor for who is to be accepted, and then there is. */
static void be_short_of_descriptors(struct world *w)
{
	pair_up(w);
	if (!listen_at(w, local_address(), 0) ||
	    !connect_to(w,
			address_of(bufferevent_listener_get_fd(w->listener))))
		return;
	calls.no_descriptors = true;
	world_run(w, was_accepted);
	calls.no_descriptors = false;
	world_expect(w, w->called == 0, "there was a descriptor");
	w->done = world_run(w, are_through);
	leave_unaccepted(w);
}

static void listen_and_leave(struct world *w)
{
	if (!listen_at(w, local_address(), 0))
		return;
	world_rest(w);
	bufferevent_listener_free(w->listener);
	w->listener = NULL;
	w->done = true;
}

const struct scenario scenarios_of_net[] = {
	{ "a local connection", meet_here, NULL, accept_the_rest, 0 },
	{ "a TCP connection", meet_on_loopback, NULL, accept_the_rest, 0 },
	{ "an IPv6 connection", meet_on_ipv6, NULL, accept_the_rest, 0 },
	{ "a refused connection", be_refused, NULL, NULL, 0 },
	{ "an ignored connection", be_ignored, NULL, NULL, 0 },
	{ "no descriptors", be_short_of_descriptors, NULL, accept_the_rest, 0 },
	{ "a listener", listen_and_leave, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
