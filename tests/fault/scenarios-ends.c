/* SPDX-License-Identifier: MIT */

/* Bufferevents that end, in order or not, or outlive their reactor. */

#include <errno.h>
#include <poll.h>

#include "calls.h"
#include "scenarios.h"

enum { CROWD = 4 };

/* --- Ends ---------------------------------------------------------------- */

static void shut_down(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	stream_enable(s, EV_READ);
	stream_queue(s, 500);
	stream_feed(s, 500);
	/* Not ENOTSOCK, unless it could not be known for one. */
	if (bufferevent_shutdown(s->b) < 0)
		world_refused_or(w, "bufferevent_shutdown", ENOTSOCK);
	else
		world_expect(w,
			     bufferevent_write(s->b, "x", 1) < 0 &&
				     errno == EPIPE,
			     "it can be written to");
	w->done = world_run(w, has_ended) && world_run(w, all_are_through);
	/* A shutdown(2) that fails has no one to tell: the peer waits on. */
	stream_hang_up(s);
	w->done &= world_run(w, is_told);
}

static void finish(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	stream_narrow(s);
	s->loses = true;
	stream_queue(s, 9000);
	stream_feed(s, 300);
	bufferevent_own_fd(s->b, true);
	bufferevent_finish(s->b);
	s->b = NULL;
	s->fd = -1;
	w->done = world_run(w, has_ended) && s->collected == s->queued;
	stream_hang_up(s);
	world_rest(w);
}

static bool has_hung_up(struct world *w)
{
	struct pollfd p = { .fd = w->stream[0].peer };

	poll(&p, 1, 0);
	return p.revents & POLLHUP;
}

/* The peer does not close: it is not waited for beyond two seconds. */
static void finish_alone(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	s->loses = true;
	stream_queue(s, 100);
	bufferevent_own_fd(s->b, true);
	bufferevent_finish(s->b);
	s->b = NULL;
	s->fd = -1;
	for (int tries = 0; tries < 10 && !w->done; tries++)
		w->done =
			world_run(w, has_hung_up) && s->collected == s->queued;
	world_expect(w, w->done || w->failed() > 0, "it lingers for ever");
}

/* The end of a connection that nobody reads from is a loss. */
static void lose(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	s->loses = s->gives_up = true;
	world_rest(w);
	stream_hang_up(s);
	w->done = world_run(w, is_told) && bufferevent_error(s->b) == EPIPE;
	stream_queue(s, 100);
	stream_enable(s, EV_WRITE);
	bufferevent_flush(s->b);
	world_rest(w);
}

/* In a callback it frees itself and another one. */
static void free_both(struct stream *s, unsigned what)
{
	(void)what;
	stream_end(&s->world->stream[1]);
	stream_end(s);
}

static bool both_are_free(struct world *w)
{
	return !w->stream[0].b && !w->stream[1].b;
}

static void free_inside(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		struct stream *s = &w->stream[i];

		if (!stream_pair(s))
			return;
		stream_enable(s, EV_READ);
		stream_feed(s, 100);
		stream_queue(s, 100);
		s->loses = true;
	}
	w->stream[0].on = free_both;
	w->done = world_run(w, both_are_free);
}

/* --- Detaching ----------------------------------------------------------- */

static void check_detached(struct world *w, struct stream *s)
{
	world_expect(w, !bufferevent_get_reactor(s->b), "it has a reactor");
	world_expect(
		w, bufferevent_enable(s->b, EV_READ) < 0 && errno == ECANCELED,
		"a detached one can be enabled");
	bufferevent_set_timeouts(s->b, 10, 10);
	bufferevent_flush(s->b);
	stream_queue(s, 100);
	stream_take(s);
	bufferevent_disable(s->b, EV_WRITE);
}

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)events;
	world->called++;
	reactor_watch_stop(w);
}

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	world->called++;
}

static bool start_things(struct world *w)
{
	w->watch[0].ready = on_watch;
	w->timer[0].fire = on_timer;
	reactor_timer_start(w->reactor, &w->timer[0], 1000);
	if (!own_pair(w->fd))
		return false;
	if (reactor_watch_set(w->reactor, &w->watch[0], w->fd[0], EV_READ) < 0)
		world_refused(w, "reactor_watch_set");
	return true;
}

static void detach(struct world *w)
{
	struct stream *s = &w->stream[0], *last = &w->stream[1];

	if (!stream_pair(s) || !stream_pair(last) || !start_things(w))
		return;
	s->loses = last->loses = true;
	stream_enable(s, EV_READ);
	stream_feed(s, 100);
	world_rest(w);
	/* One that finishes is closed. */
	stream_queue(last, 100);
	bufferevent_own_fd(last->b, true);
	bufferevent_finish(last->b);
	last->b = NULL;
	last->fd = -1;
	reactor_free(w->reactor);
	w->reactor = NULL;
	check_detached(w, s);
	w->done = w->called == 0;
}

/* Their reactor goes away, and what the backend has opened for them. */
static void leave_a_crowd(struct world *w)
{
	for (int i = 0; i < CROWD; i++) {
		if (!stream_pair(&w->stream[i]))
			return;
		w->stream[i].loses = true;
		stream_enable(&w->stream[i], EV_READ);
		stream_feed(&w->stream[i], 200);
		stream_queue(&w->stream[i], 200);
	}
	w->done = world_run(w, all_are_through);
	reactor_free(w->reactor);
	w->reactor = NULL;
}

/* The turn that runs is its last. */
static void free_the_reactor(struct stream *s, unsigned what)
{
	(void)what;
	reactor_free(s->world->reactor);
	s->world->reactor = NULL;
}

static bool is_gone(struct world *w)
{
	return !w->reactor;
}

static void detach_inside(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s) || !start_things(w))
		return;
	s->loses = true;
	s->on = free_the_reactor;
	stream_enable(s, EV_READ);
	stream_feed(s, 100);
	w->done = world_run(w, is_gone);
	if (w->done)
		check_detached(w, s);
}

const struct scenario scenarios_of_ends[] = {
	{ "shutdown", shut_down, NULL, NULL, 0 },
	{ "finish", finish, NULL, NULL, 0 },
	{ "finish alone", finish_alone, NULL, NULL, 0 },
	{ "loss", lose, NULL, NULL, 0 },
	{ "free inside a callback", free_inside, NULL, NULL, 0 },
	{ "detach", detach, NULL, NULL, 0 },
	{ "detach inside a callback", detach_inside, NULL, NULL, 0 },
	{ "detach a crowd", leave_a_crowd, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
