/* SPDX-License-Identifier: MIT */
#ifndef TIMERS_H
#define TIMERS_H

/*
 * The cases of the timer benchmark.  The text of the cases (timers-cases.h) is
 * compiled once for each library, in translation units of their own, over a
 * few one-line functions that say how that library spells them.
 */

#include <stdint.h>

struct timers_cases {
	const char *who;
	uint64_t (*start_stop)(unsigned count, void *unused);
	uint64_t (*rearm)(unsigned count, void *unused);
	uint64_t (*fire)(unsigned count, void *unused);
};

extern const struct timers_cases timers_bufev, timers_libevent, timers_libuv;

#endif
