/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

/*
 * A model of bufferevents, and the world in which they are held against it.
 *
 * A world is a simulated reactor with a few streams.  A stream is a bufferevent
 * whose other end is a bare descriptor, the far end.  Each step is one random
 * public call (the user's, in callbacks, too), one act of a far end, or one
 * turn; all of them come from one source of decisions, a seed or the bytes of a
 * fuzzer, so that each world can be had again.
 *
 *	user.c    random calls on bufferevents
 *	far.c     what the other ends do
 *	world.c   sets up, turns, comes to rest, cleans up
 *	oracle.c  what may be, what must be and what must not
 *
 * The oracle knows nothing of how the library works.  It knows what was asked
 * of a stream, and four lines of bytes:
 *
 *	far end ==> to ==> in (the read buffer) ==> the user
 *	far end <== from <== out (the write buffer) <== the user
 *
 * After each step, and as each callback begins, the lengths of the two buffers
 * are read: what the read buffer has gained must be the first bytes of `to`;
 * what the write buffer has lost are the next of `from`, as which the far end
 * must get them.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev.h>
#include <bufev/sim.h>

#include "line.h"

enum side { IN, OUT };
enum { STREAMS = 4, MOST_QUEUED = 6000, MOST_A_TURN = 65536 };

static const uint64_t NEVER = UINT64_MAX;

static inline unsigned bit_of(enum side side)
{
	return side == IN ? EV_READ : EV_WRITE;
}

/* What the oracle knows of a side.  Turns are numbered from 1 on; 0: none. */
struct half {
	size_t low, high, limit;
	uint64_t timeout;
	uint64_t since;	    /* it has waited from then on, at the earliest */
	uint64_t settled;   /* and at the latest; NEVER: it does not wait */
	bool waited;	    /* since this turn began */
	unsigned overdue;   /* turns that a timeout was not reported */
	uint64_t asked;	    /* the turn in which a callback was asked for */
	uint64_t may;	    /* there may be a callback, since that turn */
	uint64_t must;	    /* there must be one by the end of the next */
	size_t moved;	    /* bytes, in this turn */
	unsigned calls;	    /* callbacks, in this turn */
	bool callback;	    /* there is one */
	bool failed;	    /* was reported to have, and not enabled since */
	uint64_t failed_in; /* the turn in which it last was */
	unsigned failing;   /* turns for which it has failed, unreported */
	bool known;	    /* ... before this turn began */
};

struct stream {
	struct bufferevent *b; /* NULL: freed, or none */
	int fd, far;	       /* -1: closed */
	uint16_t port;	       /* of a connect whose far end is awaited */
	bool owned;
	struct half side[2];
	unsigned enabled;
	size_t most; /* a side moves in a turn */
	size_t capacity;
	bool connecting; /* "connected" has not been said */
	bool hopeless;	 /* the connect failed */
	bool shut;	 /* the user has shut it down */
	bool held;	 /* its write error waits for input */
	bool incomplete; /* not all could be sent for sure when it finished */
	bool reported;	 /* an end or an error */
	bool far_shut;	 /* FIN was sent */
	bool may_end, may_reset;
	bool was_reset;		       /* for sure */
	struct line to, in, out, from; /* last: they need no clearing */
};

/* The world. */
extern struct world {
	struct reactor *r;
	struct bufferevent_listener *listener;
	struct sockaddr_in place; /* where it listens */
	struct stream stream[STREAMS];
	struct sim_faults faults;
	unsigned refusals; /* in 1,000 allocations */
	bool refused;	   /* one was, since the world began */
	uint64_t turn;	   /* its number */
	bool turning, called, calm;
	bool stopped;	    /* a stop is pending, or ends this turn */
	bool finished;	    /* one was */
	bool timeless;	    /* a turn failed: its time is not known */
	unsigned callbacks; /* in this turn */
	uint64_t passed;    /* ms since the turn's wait ended */
	long blocks;	    /* of memory */
	uint64_t seed, steps;
	struct stream *at; /* in whose name a step is made */
} w;

/* --- Decisions ----------------------------------------------------------- */

void decide_by_seed(uint64_t seed);
void decide_by_bytes(const uint8_t *, size_t);
bool is_decided(void); /* the bytes are used up */

/* 0 to below - 1. */
size_t choose(size_t below);
size_t choose_size(void);

/* n fresh bytes, until the next call. */
unsigned char *fresh_bytes(size_t n);

/* --- Judging ------------------------------------------------------------- */

void insist_(bool ok, const char *what, const char *file, int line);
#define insist(ok, what) insist_((ok), (what), __FILE__, __LINE__)

/* Where $MODEL_TRACE is set, a line about each step. */
void tell(const struct stream *, const char *what, size_t n);

/* --- oracle.c ------------------------------------------------------------ */

/* Bytes that it still may read, by its marks and limit. */
size_t room_of(const struct stream *);

/* Makes out what the library has done since the last time. */
void look(struct stream *);

/* The user has asked for callbacks. */
void ask(struct stream *, unsigned events);
void forget(struct stream *, unsigned events);

/* The callback of a bufferevent may be made; what it says is noted. */
void judge_call(struct stream *, unsigned what);

void begin_turn(struct stream *);
void end_turn(struct stream *);

/* No side's timeout is before that, unless it is long past. */
uint64_t first_deadline(void);

/* All has been done that was to be done. */
void judge_rest(struct stream *);

/* --- user.c -------------------------------------------------------------- */

void act_on(struct stream *);
void let_go(struct stream *);
void open_pair(struct stream *);
void open_connect(struct stream *);
void called(struct bufferevent *, unsigned what);

/* --- far.c --------------------------------------------------------------- */

void far_act(struct stream *);
void far_read(struct stream *, size_t n);
void far_close(struct stream *);
void accepted(struct bufferevent_listener *, int fd, const struct sockaddr *,
	      socklen_t, void *);

/* --- world.c ------------------------------------------------------------- */

void run_world(uint64_t steps);
void clear_stream(struct stream *);

/* The time now, in ms; so much of it passes. */
uint64_t clock_of_world(void);
void pass(uint64_t ms);

#endif
