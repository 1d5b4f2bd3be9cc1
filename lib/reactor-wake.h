/* SPDX-License-Identifier: MIT */
#ifndef LIB_REACTOR_WAKE_H
#define LIB_REACTOR_WAKE_H

/*
 * What reaches a reactor from outside its thread: posts, stops, signals.
 *
 * The only atomics of the library are here.  A reactor says that it is about
 * to sleep; who has news puts them where they will be found and then, only if
 * it sleeps, writes to its bell, a descriptor that the wait watches.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bufev/reactor.h>

enum { CACHE_LINE = 64 };

struct wake {
	struct reactor_watch watch; /* of the bell's end for reading */
	int bell;		    /* its end for writing */
	const void *thread;	    /* atomic: that turns the reactor now */
	struct reactor_task *tasks; /* taken, in order of posting */
	struct bufev_link signals;  /* the watchers */
	uint64_t watched;	    /* a bit for each signal that they watch */

	/*
	 * What other threads write lies in no line that this one works in; and
	 * a stop, which is looked for after each callback, not with the posts.
	 */
	char before[CACHE_LINE];
	struct reactor_task *posted; /* atomic: last in first */
	int sleeping;		     /* atomic */
	char between[CACHE_LINE];
	int stop; /* atomic */
	char behind[CACHE_LINE];
};

/* 0 or -errno. */
int bufev_wake_open(struct reactor *);
void bufev_wake_close(struct reactor *);
int bufev_wake_fork(struct reactor *);

/* A turn begins and ends, in this thread. */
void bufev_wake_enter(struct reactor *);
void bufev_wake_leave(struct reactor *);

/* About to wait.  False: do not sleep, there is news. */
bool bufev_wake_sleep(struct reactor *);
void bufev_wake_awake(struct reactor *);

/* The bell has rung. */
void bufev_wake_heard(struct reactor *);

/* Is a post or a signal there that was not delivered? */
bool bufev_wake_has_news(const struct reactor *);

/* Takes the stop, if there is one. */
bool bufev_wake_take_stop(struct reactor *);

/* Make the callbacks. */
void bufev_wake_deliver_signals(struct reactor *);
void bufev_wake_deliver_posts(struct reactor *);

/* Stops all signals of a reactor that goes away, and forgets its tasks. */
void bufev_wake_detach(struct reactor *);

#endif
