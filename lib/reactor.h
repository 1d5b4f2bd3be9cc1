/* SPDX-License-Identifier: MIT */
#ifndef LIB_REACTOR_H
#define LIB_REACTOR_H

/*
 * What the other files may know of a reactor.
 *
 * The lists of a turn.  A bufferevent has one link (its watch's) and is in at
 * most one list, and the lists are in the order of the turn: input, deliver,
 * output.  Each passes on to the next, so who stands in an early list need not
 * be put into a later one, and who stands in a late one moves ahead when there
 * is something to do earlier.
 *
 *	kernel says readable ---> input ---> deliver ---> output ---> at rest
 *	callback due --------------------------^            ^
 *	anything has changed --------------------------------+
 *
 * A plain watch stands in `ready` from the wait until it is called.  Who is
 * always ready (a regular file) rests in `always` and is found ready in every
 * turn.
 *
 * The reactor does not know bufferevents: it drives them through the table
 * `streams`, which the first of them hands in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev/reactor.h>

#include "cache.h"
#include "kernel.h"
#include "list.h"
#include "reactor-wake.h"
#include "wheel.h"

/* The values of reactor_watch.place, in the order of the turn. */
enum place {
	PLACE_NONE,
	PLACE_INPUT,
	PLACE_DELIVER,
	PLACE_OUTPUT,
	PLACE_READY,
	PLACE_ALWAYS,
	PLACE_BURIED,
	PLACES
};

/* In reactor_watch.registered: the kernel says that it is always ready. */
enum { REGISTERED_ALWAYS = 0x80 };

/* How the reactor drives the bufferevents; `watch` is theirs. */
struct reactor_streams {
	/* The kernel reported KERNEL_* events. */
	void (*merge)(struct reactor_watch *, unsigned events);
	/* A turn begins: what was asked is due, and interest is set. */
	void (*begin)(struct reactor *);
	/* Deadlines have passed: they are in timeouts.due. */
	void (*expire)(struct reactor *);
	/* The three passes over the lists. */
	void (*input)(struct reactor *);
	void (*deliver)(struct reactor *);
	void (*output)(struct reactor *);
	/* The reactor goes away. */
	void (*detach)(struct reactor_watch *);
	/* The memory of one that was freed in a turn which has ended. */
	void (*destroy)(struct reactor_watch *);
};

struct reactor {
	const struct kernel *kernel;
	void *self; /* the kernel's */
	const struct reactor_streams *streams;
	uint64_t clock;	      /* ns, of this turn */
	uint64_t last_output; /* ns: since then callbacks have run */
	struct bufev_link list[PLACES];
	struct reactor_watch **by_fd;
	int fds;      /* the length of by_fd */
	size_t alive; /* what keeps reactor_run() going, but timers and posts */
	size_t buried;	     /* freed, and their memory still there */
	int callbacks;	     /* that ran in this turn */
	unsigned first_kind; /* of callbacks: see deliver_all() */
	unsigned turns; /* counted, to know whether a turn is another one */
	bool turning, dying;
	bool traced; /* see trace.h */
	struct wheel timers, timeouts;
	struct bufev_link firing; /* timers that are due in this turn */
	struct wake wake;
	struct cache cache;
};

/* A reactor on a kernel of one's own. */
struct reactor *bufev_reactor_new_on(const struct kernel *);

/* Puts the watch into the list of `place`, unless it stands in an earlier. */
void bufev_reactor_place(struct reactor *, struct reactor_watch *, enum place);

/* Takes it out of whatever list it is in. */
void bufev_reactor_unplace(struct reactor_watch *);

/*
 * Before a wait: watches that a stop left uncalled keep their places before the
 * others, and are called where the kernel reports them again.
 */
void bufev_reactor_forget_reports(struct reactor *);

/* A detached one was freed: its memory goes when the turn ends. */
void bufev_reactor_bury(struct reactor *, struct reactor_watch *);

/* Makes the watch the one of its fd.  0, or -1 with EEXIST, ENOMEM. */
int bufev_reactor_attach(struct reactor *, struct reactor_watch *, int fd);

/* Undoes it, and what the kernel knows of it. */
void bufev_reactor_detach(struct reactor_watch *);

/* Makes what the kernel has agree with what is wanted.  0 or -errno. */
int bufev_reactor_register(struct reactor_watch *, unsigned wanted);

/* Closes a descriptor of the library's; NULL: its reactor has gone. */
void bufev_reactor_close_fd(struct reactor *, int fd);

/* Has reactor_stop() been called? */
bool bufev_reactor_stopped(const struct reactor *);

/*
 * To be called after each callback: counts it, and where callbacks run long
 * sends what they have queued before the rest of them runs.
 */
void bufev_reactor_called(struct reactor *);

/* The clock, in nanoseconds, read now. */
static inline uint64_t bufev_reactor_read_clock(const struct reactor *r)
{
	return r->kernel->now(r->self);
}

/* The first deadline, in milliseconds, that is not before ns + ms. */
uint64_t bufev_reactor_deadline(uint64_t ns, uint64_t ms);

/* Under checks: aborts where another thread turns the reactor. */
void bufev_reactor_check(const struct reactor *);

#endif
