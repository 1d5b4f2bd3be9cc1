/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_SCENARIOS_H
#define TESTS_FAULT_SCENARIOS_H

/*
 * The scenarios: together they call every public function (there is a check
 * for that), and each gets through where nothing fails.
 */

#include "world.h"

enum {
	BARE = 0x1,	  /* the world has no reactor to begin with */
	IN_A_CHILD = 0x2, /* `run` and all that follows is in a forked child */
	FRESH = 0x4	  /* in a process that has not used the library yet */
};

struct scenario {
	const char *name;
	void (*run)(struct world *); /* while something may fail */
	/* Before that, and when nothing fails any more; may be NULL. */
	void (*prepare)(struct world *);
	void (*after)(struct world *);
	unsigned flags;
};

/* One without a name is at the end. */
extern const struct scenario scenarios_of_processes[];
extern const struct scenario scenarios_of_buffers[];
extern const struct scenario scenarios_of_reactors[];
extern const struct scenario scenarios_of_streams[];
extern const struct scenario scenarios_of_ends[];
extern const struct scenario scenarios_of_net[];

#endif
