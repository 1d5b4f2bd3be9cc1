/* SPDX-License-Identifier: MIT */
/*
 * Micro benchmark of the timers, a million of them.
 *
 *   timers [--smoke]
 *
 * This library's wheel against the heaps of libevent and libuv.  The floor is
 * a look at the clock, which a timer that must never fire early takes when it
 * is started.  A line of JSON a contestant, see bench.h; the ratio is to
 * libevent.
 */

#include "timers.h"
#include "bench.h"

enum { COUNT = 1000000 };

static uint64_t clock_floor(unsigned count, void *unused)
{
	uint64_t from = bench_now(), now;

	(void)unused;
	for (unsigned i = 0; i < count; i++) {
		now = bench_now();
		__asm__ volatile("" : : "r"(now));
	}
	return bench_now() - from;
}

static void compare(const char *name, uint64_t (*theirs)(unsigned, void *),
		    uint64_t (*libuv)(unsigned, void *),
		    uint64_t (*ours)(unsigned, void *),
		    uint64_t (*floor)(unsigned, void *))
{
	struct bench_entry entry[] = {
		{ "libevent", theirs, NULL },
		{ "libuv", libuv, NULL },
		{ "bufev", ours, NULL },
		{ "floor", floor, NULL },
	};

	bench_compare(name, COUNT, entry, floor ? 4 : 3);
}

int main(int argc, char **argv)
{
	const struct timers_cases *o = &timers_bufev, *e = &timers_libevent;
	const struct timers_cases *u = &timers_libuv;

	bench_begin(argc, argv);
	compare("start and stop a timer", e->start_stop, u->start_stop,
		o->start_stop, clock_floor);
	compare("re-arm a timer", e->rearm, u->rearm, o->rearm, clock_floor);
	compare("fire a timer", e->fire, u->fire, o->fire, NULL);
	return 0;
}
