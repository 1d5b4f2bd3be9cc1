/* SPDX-License-Identifier: MIT */

/*
 * Turning, and what is checked at each turn; see world.h.  The streams have a
 * file of their own.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "../support/invariants.h"
#include "calls.h"
#include "world.h"

enum {
	TURNS_MOST = 400,
	QUIET_TURNS = 6, /* then nothing happens any more */
	QUIET_MS = 40,	 /* of each */
	FAILURES_MOST = 8,
	SPINS_MOST = 3,
	NAPS = 50,
	NAP_MS = 10
};

struct world *world;

/* --- Complaints ---------------------------------------------------------- */

void world_complain(struct world *w, const char *format, ...)
{
	int error = errno;
	va_list list;

	if (w->complaint[0])
		return;
	va_start(list, format);
	vsnprintf(w->complaint, sizeof(w->complaint), format, list);
	va_end(list);
	errno = error;
}

bool world_expect(struct world *w, bool so, const char *what)
{
	if (!so)
		world_complain(w, "%s", what);
	return so;
}

/*
 * Does the library say `said` where the system says `error`?  Where a backend
 * tries another way, and the fault has made that one the wrong one, the last
 * word is the true one.
 */
static bool explains(int error, int said)
{
	switch (error) {
	case EEXIST:
	case ENOENT:
		return said == EEXIST || said == ENOENT;
	case EINVAL:
		return said == EINVAL || said == EPERM;
	default:
		return said == error;
	}
}

void world_refused_or(struct world *w, const char *call, int other)
{
	int said = errno;

	if (w->mended || w->failed() == 0)
		world_complain(w, "%s failed with nothing wrong: %s", call,
			       strerror(said));
	else if (!explains(w->error, said) && said != other)
		world_complain(w, "%s: not what is wrong: %s", call,
			       strerror(said));
}

void world_refused(struct world *w, const char *call)
{
	world_refused_or(w, call, w->error);
}

/* --- Invariants ---------------------------------------------------------- */

void world_check(struct world *w)
{
	const char *wrong = NULL;

	for (int i = 0; i < WORLD_STREAMS && !wrong; i++)
		if (w->stream[i].b)
			wrong = invariants_of_stream(w->stream[i].b);
	for (int i = 0; i < 2 && !wrong; i++)
		if (w->buffer[i])
			wrong = invariants_of_buffer(w->buffer[i]);
	if (!wrong && w->reactor && !w->dead)
		wrong = invariants_of_reactor(w->reactor, w->holds);
	if (wrong)
		world_complain(w, "%s", wrong);
}

/* --- Turning ------------------------------------------------------------- */

static size_t collect_all(struct world *w)
{
	size_t n = 0;

	for (int i = 0; i < WORLD_STREAMS; i++)
		n += stream_collect(&w->stream[i]);
	return n;
}

/* Of the bytes that came, so far. */
static size_t taken_by_all(const struct world *w)
{
	size_t n = 0;

	for (int i = 0; i < WORLD_STREAMS; i++)
		n += w->stream[i].taken;
	return n;
}

/*
 * A turn that was to sleep has neither done anything nor slept.  That may
 * happen, but not again and again, unless the kernel lies: that it cannot wait
 * for a descriptor, or has not forgotten one.  Time passes all the same.
 */
static void note_spin(struct world *w, int ms)
{
	calls.clock += (uint64_t)ms * 1000000;
	if (!w->is_lied_to && ++w->spins > SPINS_MOST)
		world_complain(w, "it spins");
}

/* How many bytes moved and callbacks came.  *moved: there were bytes. */
static long turn(struct world *w, int ms, bool *moved)
{
	uint64_t clock = calls.clock;
	size_t taken = taken_by_all(w), bytes;
	long n = reactor_turn(w->reactor, ms);

	*moved = false;
	if (n < 0) {
		world_refused(w, "reactor_turn");
		w->failures++;
		return 0;
	}
	world_check(w);
	bytes = collect_all(w) + taken_by_all(w) - taken;
	*moved = bytes > 0;
	if (n == 0 && bytes == 0 && ms > 0 && calls.clock == clock)
		note_spin(w, ms);
	else
		w->spins = 0;
	return n + (long)bytes;
}

static bool can_turn(const struct world *w)
{
	return w->reactor && !w->dead && w->failures < FAILURES_MOST &&
	       !w->complaint[0];
}

static bool turn_until(struct world *w, bool (*done)(struct world *))
{
	int turns = 0, quiet = 0;
	bool moved;

	while (can_turn(w) && turns < TURNS_MOST && quiet < QUIET_TURNS) {
		if (done && done(w))
			return true;
		/* What is sent may be on its way for a moment. */
		calls.patience_ms = w->patient && done && quiet == 1;
		if (turn(w, quiet > 0 ? QUIET_MS : 0, &moved) > 0)
			quiet = 0;
		else
			quiet++;
		if (!moved)
			turns++;
	}
	if (turns == TURNS_MOST)
		world_complain(w, "it never comes to rest");
	return done && done(w);
}

bool world_insist(struct world *w, bool (*done)(struct world *))
{
	bool is_done = turn_until(w, done);

	for (int naps = 0; naps < NAPS && w->patient && !is_done; naps++) {
		poll(NULL, 0, NAP_MS);
		is_done = turn_until(w, done);
	}
	return is_done;
}

bool world_run(struct world *w, bool (*done)(struct world *))
{
	bool is_done = turn_until(w, done);
	bool is_harmed = w->failed() > 0 && !w->mended;

	return is_done || is_harmed ? is_done : world_insist(w, done);
}

void world_rest(struct world *w)
{
	turn_until(w, NULL);
}
