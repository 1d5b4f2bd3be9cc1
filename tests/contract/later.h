/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONTRACT_LATER_H
#define TESTS_CONTRACT_LATER_H

/*
 * later: another thread that does something after a while, such as what ends
 * a wait.
 */

#include <poll.h>
#include <pthread.h>

#include "../support/harness.h"

struct later {
	pthread_t thread;
	int ms;
	void (*act)(void *);
	void *arg;
};

static inline void *later_thread(void *arg)
{
	struct later *later = arg;

	poll(NULL, 0, later->ms);
	later->act(later->arg);
	return NULL;
}

static inline void later_begin(struct later *later, int ms, void (*act)(void *),
			       void *arg)
{
	later->ms = ms;
	later->act = act;
	later->arg = arg;
	assert_int_equal(
		pthread_create(&later->thread, NULL, later_thread, later), 0);
}

static inline void later_end(struct later *later)
{
	assert_int_equal(pthread_join(later->thread, NULL), 0);
}

static inline void later_stop(void *reactor)
{
	reactor_stop(reactor);
}

/*
 * Runs the reactor until it returns by itself or another thread stops it,
 * which it does after a while.  What reactor_run() said: 1 where it was still
 * going then.
 */
static inline int later_run(struct reactor *reactor)
{
	struct later later;
	int result;

	later_begin(&later, 30, later_stop, reactor);
	result = reactor_run(reactor);
	later_end(&later);
	if (result == 0)
		reactor_turn(reactor, 0); /* takes the stop, come too late */
	return result;
}

#endif
