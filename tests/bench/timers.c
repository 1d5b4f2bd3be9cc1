/* SPDX-License-Identifier: MIT */
/*
 * Micro benchmark of the timers, a million of them.
 *
 *   timers [--smoke]
 *
 * This library's wheel against the heaps of libevent and libuv.  A line of
 * JSON a contestant, see bench.h; the ratio is to libevent.
 */

#include "timers.h"
#include "bench.h"

enum { COUNT = 1000000 };

static void compare(const char *name, uint64_t (*theirs)(unsigned, void *),
		    uint64_t (*libuv)(unsigned, void *),
		    uint64_t (*ours)(unsigned, void *))
{
	struct bench_entry entry[] = {
		{ "libevent", theirs, NULL },
		{ "libuv", libuv, NULL },
		{ "bufev", ours, NULL },
	};

	bench_compare(name, COUNT, entry, 3);
}

int main(int argc, char **argv)
{
	const struct timers_cases *o = &timers_bufev, *e = &timers_libevent;
	const struct timers_cases *u = &timers_libuv;

	bench_begin(argc, argv);
	compare("start and stop a timer", e->start_stop, u->start_stop,
		o->start_stop);
	compare("re-arm a timer", e->rearm, u->rearm, o->rearm);
	compare("fire a timer", e->fire, u->fire, o->fire);
	return 0;
}
