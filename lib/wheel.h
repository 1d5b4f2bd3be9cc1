/* SPDX-License-Identifier: MIT */
#ifndef LIB_WHEEL_H
#define LIB_WHEEL_H

/*
 * wheel: many deadlines, each started, stopped and re-armed in O(1).
 *
 * A hierarchical timer wheel of WHEEL_LEVELS levels of 64 slots, where a slot
 * of level n spans 64^n milliseconds, with a bit for each slot that is in use.
 * Time is an argument: the wheel knows no clock.  Entries are the caller's
 * memory.  What expires is moved to the list `due` and stays linked there until
 * it is taken or stopped, so a caller may take some now and some later.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bufev/reactor.h>

#include "list.h"

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 7 };

#define WHEEL_NEVER UINT64_MAX

struct wheel {
	uint64_t now;	/* all deadlines up to here have been moved to due */
	uint64_t count; /* entries linked, those in due included */
	struct bufev_link due;
	uint64_t used[WHEEL_LEVELS];
	struct bufev_link slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void bufev_wheel_init(struct wheel *, uint64_t now);

/* Linear, for tests and checks: do the invariants hold? */
bool bufev_wheel_valid(const struct wheel *);

/*
 * Arms the entry, anew where it is armed.  A deadline that has passed goes to
 * `due` at once.
 */
void bufev_wheel_start(struct wheel *, struct bufev_deadline *,
		       uint64_t deadline);

/* Takes the entry out, wherever it is; harmless where it is not armed. */
void bufev_wheel_stop(struct wheel *, struct bufev_deadline *);

/*
 * Moves what has a deadline of `now` or before to the end of `due`, in the
 * order of the deadlines.  Time that runs backwards changes nothing.
 */
void bufev_wheel_advance(struct wheel *, uint64_t now);

/* The first entry of `due`, taken out; NULL where there is none. */
struct bufev_deadline *bufev_wheel_take(struct wheel *);

/*
 * When to advance next, at the latest: the wheel's `now` where something is
 * due, WHEEL_NEVER where nothing is armed.  It may be before the earliest
 * deadline (where a slot of a higher level has to be spread), never after.
 */
uint64_t bufev_wheel_next(const struct wheel *);

#endif
