/* SPDX-License-Identifier: MIT */
/*
 * The text of the cases: no header of its own, but the body of timers-*.c,
 * each of which defines before it
 *
 *   struct timer                  one timer
 *   open_loop(), close_loop(timers, count)
 *   prepare(timer)                once, before its first start; fired() is its
 *                                 callback's work
 *   start(timer, ms), stop(timer)
 *   run_loop()                    until no timer is left
 */

#include "bench.h"

#include <stdlib.h>
#include <time.h>

/* From one second to one minute, as idle timeouts are. */
static unsigned some_time(unsigned i)
{
	return 1000 + i * 2654435761u % 59000;
}

static struct timer *make(unsigned count)
{
	struct timer *timers = calloc(count, sizeof(*timers));

	if (!timers)
		bench_fail("memory");
	open_loop();
	for (unsigned i = 0; i < count; i++)
		prepare(&timers[i]);
	return timers;
}

static void unmake(struct timer *timers, unsigned count)
{
	close_loop(timers, count);
	free(timers);
}

/* All are started, then all are stopped. */
static uint64_t start_stop(unsigned count, void *unused)
{
	struct timer *timers = make(count);
	uint64_t from = bench_now();
	unsigned i;

	(void)unused;
	for (i = 0; i < count; i++)
		start(&timers[i], some_time(i));
	for (i = 0; i < count; i++)
		stop(&timers[i]);
	from = bench_now() - from;
	unmake(timers, count);
	return from;
}

/* All are started; each is started again for another time. */
static uint64_t rearm(unsigned count, void *unused)
{
	struct timer *timers = make(count);
	uint64_t from;
	unsigned i;

	(void)unused;
	for (i = 0; i < count; i++)
		start(&timers[i], some_time(i));
	from = bench_now();
	for (i = 0; i < count; i++)
		start(&timers[i], some_time(i + count));
	from = bench_now() - from;
	for (i = 0; i < count; i++)
		stop(&timers[i]);
	unmake(timers, count);
	return from;
}

/* All have come due, within 100 ms of each other; the loop calls them. */
static uint64_t fire(unsigned count, void *unused)
{
	struct timespec pause = { 0, 120000000 };
	struct timer *timers = make(count);
	uint64_t from;
	unsigned i;

	(void)unused;
	calls = 0;
	for (i = 0; i < count; i++)
		start(&timers[i], 1 + i * 2654435761u % 100);
	nanosleep(&pause, NULL);
	from = bench_now();
	run_loop();
	from = bench_now() - from;
	if (calls != count)
		bench_fail("timers fired");
	unmake(timers, count);
	return from;
}
