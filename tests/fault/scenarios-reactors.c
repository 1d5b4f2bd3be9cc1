/* SPDX-License-Identifier: MIT */

/* Reactors, and what lives on them beside bufferevents. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"
#include "scenarios.h"

/* --- Callbacks ----------------------------------------------------------- */

/* Takes a byte; writing is asked for no more, and nor is what has ended. */
static void on_watch(struct reactor_watch *w, unsigned events)
{
	char byte;

	world->called++;
	world_expect(world, events != 0, "a watch was called for nothing");
	if ((events & EV_WRITE) &&
	    reactor_watch_set(w->reactor, w, w->fd, EV_READ) < 0) {
		world_refused(world, "reactor_watch_set");
		reactor_watch_stop(w);
	}
	if ((events & EV_READ) && own_read(w->fd, &byte, 1) <= 0)
		reactor_watch_stop(w);
}

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	world->called++;
}

/* The first stops the turn: the others come in the next one. */
static void on_task(struct reactor_task *t)
{
	if (world->called++ == 0)
		reactor_stop(world->reactor);
	(void)t;
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	world_expect(world, signo == SIGUSR1, "another signal");
	world->called++;
}

static void stop_run(struct reactor_timer *t)
{
	world->called++;
	reactor_stop(world->reactor);
	(void)t;
}

/* --- The life of a reactor ----------------------------------------------- */

static void live(struct world *w)
{
	for (int tries = 0; tries < 2 && !w->reactor; tries++) {
		w->reactor = w->make_reactor();
		if (!w->reactor)
			world_refused_or(w, "reactor_new", ENOTSUP);
	}
	if (!w->reactor)
		return;
	world_expect(w, bufev_version() && reactor_backend(w->reactor),
		     "no name");
	world_expect(w, reactor_now(w->reactor) > 0, "no time");
	world_check(w);
	w->done = reactor_run(w->reactor) == 0;
}

/* The best that works here, as it is found without $BUFEV_BACKEND. */
static void find_the_best(struct world *w)
{
	char kept[32] = "";
	const char *value = getenv("BUFEV_BACKEND");

	if (value)
		snprintf(kept, sizeof(kept), "%s", value);
	unsetenv("BUFEV_BACKEND");
	w->reactor = reactor_new(NULL);
	if (!w->reactor)
		world_refused_or(w, "reactor_new", ENOTSUP);
	else
		w->done = true;
	if (value)
		setenv("BUFEV_BACKEND", kept, 1);
}

/*
 * What could not be made can be made when nothing is wrong any more; only that
 * io_uring does not work is remembered.
 */
static void make_it_now(struct world *w)
{
	if (w->reactor)
		return;
	w->reactor = w->make_reactor();
	world_expect(w, w->reactor || errno == ENOTSUP,
		     "a reactor can still not be made");
}

static void unused(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	world_complain(world, "a callback was called that was replaced");
}

/* This thread's own reactor is made where it is needed first. */
static void use_the_default(struct world *w)
{
	struct stream *s = &w->stream[0];
	struct bufferevent *b = NULL;
	int fd[2];

	if (!own_pair(fd))
		return;
	s->fd = fd[0];
	s->peer = fd[1];
	for (int tries = 0; tries < 2 && !b; tries++) {
		b = bufferevent_new(fd[0], NULL, NULL, unused);
		if (!b)
			world_refused_or(w, "bufferevent_new", ENOTSUP);
	}
	if (b) {
		stream_adopt(s, b);
		w->reactor = bufferevent_get_reactor(b);
	}
	for (int tries = 0; tries < 2 && !w->reactor; tries++) {
		w->reactor = reactor_default();
		if (!w->reactor)
			world_refused_or(w, "reactor_default", ENOTSUP);
	}
	if (!b || !w->reactor)
		return;
	world_expect(w, w->reactor == reactor_default(),
		     "a thread has two reactors");
	stream_enable(s, EV_READ);
	stream_feed(s, 100);
	stream_queue(s, 100);
	w->done = world_run(w, is_through);
}

/* Another loop waits for what it is told to wait for. */
static void be_inside(struct world *w)
{
	struct stream *s = &w->stream[0];
	int ms = 0;

	world_expect(w, reactor_get_fd(w->reactor) >= 0 || errno == ENOTSUP,
		     "no descriptor, and no reason");
	if (!stream_pair(s))
		return;
	stream_enable(s, EV_READ);
	stream_feed(s, 100);
	stream_queue(s, 100);
	for (int turns = 0; turns < 20 && w->failures == 0; turns++) {
		ms = reactor_prepare(w->reactor);
		if (reactor_turn(w->reactor, 0) < 0) {
			world_refused(w, "reactor_turn");
			w->failures++;
		}
		world_check(w);
		stream_collect(s);
	}
	w->done = stream_is_through(s) && ms == -1;
}

/* --- Watches ------------------------------------------------------------- */

static bool set_watch(struct world *w, int i, unsigned events)
{
	for (int tries = 0; tries < 2; tries++) {
		if (reactor_watch_set(w->reactor, &w->watch[i], w->fd[i],
				      events) == 0)
			return true;
		world_refused(w, "reactor_watch_set");
		world_check(w);
	}
	return false;
}

static bool was_called(struct world *w)
{
	return w->called >= 1;
}

static bool was_called_twice(struct world *w)
{
	return w->called >= 2;
}

static void watch(struct world *w)
{
	w->watch[0].ready = w->watch[1].ready = on_watch;
	if (!own_pair(w->fd) || !set_watch(w, 0, EV_READ) ||
	    !set_watch(w, 1, EV_WRITE))
		return;
	world_expect(w, own_write(w->fd[1], "x", 1) == 1, "no byte was sent");
	w->done = world_run(w, was_called_twice);
	w->done &= set_watch(w, 1, EV_READ | EV_WRITE);
	w->done &= set_watch(w, 1, EV_READ);
	reactor_watch_stop(&w->watch[1]);
	w->done &= set_watch(w, 0, EV_READ | EV_WRITE);
	/* A hang-up sets all the bits asked for. */
	own_close(&w->fd[1]);
	world_rest(w);
	w->done &= set_watch(w, 0, 0);
}

/* The tables by descriptor must grow. */
static void watch_a_high_one(struct world *w)
{
	bool is_set;
	int fd[2];

	w->watch[0].ready = on_watch;
	if (!own_pair(fd))
		return;
	w->fd[0] = fcntl(fd[0], F_DUPFD_CLOEXEC, 100);
	own_close(&fd[0]);
	w->fd[1] = fd[1];
	is_set = set_watch(w, 0, EV_READ);
	world_expect(w, own_write(w->fd[1], "x", 1) == 1, "no byte was sent");
	/* Where it was refused, the kernel does not watch it all the same. */
	w->done = world_run(w, was_called);
	world_expect(w, is_set || !w->done, "a watch that is not there");
}

/* --- Timers, tasks and signals ------------------------------------------- */

static void keep_time(struct world *w)
{
	static const uint64_t ms[3] = { 0, 30, 5000 };

	for (int i = 0; i < 3; i++) {
		w->timer[i].fire = on_timer;
		reactor_timer_start(w->reactor, &w->timer[i], ms[i]);
	}
	w->done = world_run(w, was_called_twice);
	reactor_timer_stop(&w->timer[2]);
	world_expect(w, w->called <= 2, "a timer fired early");
	w->timer[2].fire = stop_run;
	reactor_timer_start(w->reactor, &w->timer[2], 10);
	reactor_hold(w->reactor);
	if (reactor_run(w->reactor) < 0) {
		world_refused(w, "reactor_run");
		w->failures++;
	}
	reactor_release(w->reactor);
}

/* Where waiting fails the timers come as soon as it does not. */
static void time_was_kept(struct world *w)
{
	world_rest(w);
	world_expect(w, w->called >= 3, "a timer never fired");
}

static bool tasks_ran(struct world *w)
{
	return w->called >= 3;
}

static void post(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		w->task[i].run = on_task;
		w->signal[i].caught = on_signal;
		reactor_post(w->reactor, &w->task[i]);
	}
	reactor_post(w->reactor, &w->task[0]);
	for (int tries = 0; tries < 2 && !w->signal[0].reactor; tries++)
		if (reactor_signal_start(w->reactor, &w->signal[0], SIGUSR1) <
		    0)
			world_refused(w, "reactor_signal_start");
	if (!w->signal[0].reactor) {
		world_rest(w);
		return;
	}
	raise(SIGUSR1);
	w->done = world_run(w, tasks_ran);
	/* One more takes over. */
	world_expect(w,
		     reactor_signal_start(w->reactor, &w->signal[1], SIGUSR1) ==
			     0,
		     "a second watcher of a signal was refused");
	reactor_signal_stop(&w->signal[0]);
	raise(SIGUSR1);
	world_rest(w);
	reactor_signal_stop(&w->signal[1]);
}

static void was_posted(struct world *w)
{
	world_rest(w);
	world_expect(w, w->called >= 2, "a task never ran");
}

/* --- Fork ---------------------------------------------------------------- */

/* The lowest numbers are taken: for the child's own the tables must grow. */
static void before_fork(struct world *w)
{
	struct stream *s = &w->stream[0];

	w->watch[0].ready = on_watch;
	w->signal[0].caught = on_signal;
	if (!stream_pair(s) || !own_pair(w->fd) || !set_watch(w, 0, EV_READ))
		return;
	for (int i = 2; i < WORLD_FDS; i++)
		w->fd[i] = fcntl(w->fd[0], F_DUPFD_CLOEXEC, 0);
	stream_enable(s, EV_READ);
	reactor_signal_start(w->reactor, &w->signal[0], SIGUSR1);
	world_rest(w);
}

/*
 * What was registered serves the child, or reactor_fork() says why not, and
 * everything can be freed.
 */
static void after_fork(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (reactor_fork(w->reactor) < 0) {
		world_refused(w, "reactor_fork");
		w->dead = true;
		return;
	}
	stream_feed(s, 200);
	stream_queue(s, 200);
	world_expect(w, own_write(w->fd[1], "x", 1) == 1, "no byte was sent");
	raise(SIGUSR1);
	w->done = world_run(w, is_through) && world_run(w, was_called_twice);
}

const struct scenario scenarios_of_reactors[] = {
	{ "a reactor", live, NULL, make_it_now, BARE },
	{ "the best backend", find_the_best, NULL, make_it_now, BARE },
	{ "the thread's reactor", use_the_default, NULL, NULL, BARE },
	{ "inside another loop", be_inside, NULL, NULL, 0 },
	{ "watches", watch, NULL, NULL, 0 },
	{ "a high watch", watch_a_high_one, NULL, NULL, 0 },
	{ "timers", keep_time, NULL, time_was_kept, 0 },
	{ "posts and signals", post, NULL, was_posted, 0 },
	{ "fork", after_fork, before_fork, NULL, IN_A_CHILD },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* What the library finds out once and remembers. */
const struct scenario scenarios_of_processes[] = {
	{ "the first reactor", live, NULL, make_it_now,
	  BARE | IN_A_CHILD | FRESH },
	{ "the first best backend", find_the_best, NULL, make_it_now,
	  BARE | IN_A_CHILD | FRESH },
	{ "the first thread's reactor", use_the_default, NULL, NULL,
	  BARE | IN_A_CHILD | FRESH },
	{ NULL, NULL, NULL, NULL, 0 },
};
