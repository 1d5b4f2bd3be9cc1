/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCRIPT_KERNEL_H
#define TESTS_SCRIPT_KERNEL_H

/*
 * A kernel that does what a test says.
 *
 * It is a struct kernel that hands everything on to a real one ($BUFEV_BACKEND,
 * or the first that is compiled in), but counts what is asked, fails what it
 * was told to fail, cuts transfers short, and may have a clock of its own.
 *
 * With a clock of its own (script_freeze) time stands still, save that a wait
 * that finds nothing takes as long as it was asked to: no test has to sleep.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev/reactor.h>

#include "cut.h"
#include "kernel.h"

enum script_op {
	SCRIPT_OPEN,
	SCRIPT_FORK,
	SCRIPT_SET,
	SCRIPT_WAIT,
	SCRIPT_READ,  /* a transfer, not of `write` */
	SCRIPT_WRITE, /* a transfer of `write` */
	SCRIPT_ADOPT,
	SCRIPT_CLOSE_FD,
	SCRIPT_LISTEN,
	SCRIPT_ACCEPT,
	SCRIPT_CONNECT,
	SCRIPT_OUTCOME, /* of a connect that gave a descriptor */
	SCRIPT_CONNECTED,
	SCRIPT_ERROR,
	SCRIPT_SHUTDOWN,
	SCRIPT_OPS
};

struct script {
	const struct kernel *real;
	void *self; /* the real one's */

	/* What was asked so far; what names a descriptor, of only_fd alone. */
	unsigned calls[SCRIPT_OPS];
	size_t bytes[SCRIPT_OPS]; /* moved, for the two kinds of transfer */
	unsigned batches;	  /* calls that asked for transfers */
	int only_fd;		  /* -1: of every descriptor */
	unsigned wanted;	  /* in the last set */
	int timeout_ms;		  /* of the last wait */

	/* What is to fail: see script_fail(), script_cut(). */
	struct {
		unsigned from, times;
		int error;
		enum cut cut;
	} fail[SCRIPT_OPS];
	unsigned failed; /* how often that came about */
	/* A set that newly wants one of these bits fails with this errno. */
	unsigned refuse;
	int refuse_error;

	size_t most;	/* bytes that one transfer moves; 0: as the real one */
	bool deaf;	/* a wait reports nothing */
	bool frozen;	/* `clock` is the time */
	uint64_t clock; /* ns */
	void (*at_clock)(struct script *); /* whenever it is read; or NULL */
};

/*
 * A reactor on a new script, which must outlive it; NULL as reactor_new().
 */
struct reactor *script_reactor(struct script *);

/* One more on a script whose reactor has gone: what is to fail may do so. */
struct reactor *script_reactor_again(struct script *);

/*
 * The nth call of op from now on, of those that are counted, and the times - 1
 * calls after it fail.
 */
void script_fail(struct script *, enum script_op, unsigned nth, unsigned times,
		 int error);

/* The same calls, of transfers, are cut short. */
void script_cut(struct script *, enum script_op, unsigned nth, unsigned times,
		enum cut);

/*
 * Counts anew; of the calls that name a descriptor only those for only_fd (-1:
 * all).  Failures are to be arranged after this.
 */
void script_count(struct script *, int only_fd);

/* The clock stands at a whole second, not far from the real time. */
void script_freeze(struct script *);

/* Moves the frozen clock on. */
void script_pass(struct script *, uint64_t ms);

#endif
