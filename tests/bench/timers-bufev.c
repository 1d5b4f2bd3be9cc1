/* SPDX-License-Identifier: MIT */
/* The timer benchmark's cases on this library's wheel; see timers.h. */

#include "timers.h"

#include <bufev.h>

struct timer {
	struct reactor_timer timer;
};

static struct reactor *reactor;
static unsigned calls;

static void fired(struct reactor_timer *timer)
{
	(void)timer;
	calls++;
}

static void open_loop(void)
{
	reactor = reactor_new(NULL);
}

static void close_loop(struct timer *timers, unsigned count)
{
	(void)timers;
	(void)count;
	reactor_free(reactor);
}

static void prepare(struct timer *timer)
{
	timer->timer.fire = fired;
}

static void start(struct timer *timer, unsigned ms)
{
	reactor_timer_start(reactor, &timer->timer, ms);
}

static void stop(struct timer *timer)
{
	reactor_timer_stop(&timer->timer);
}

static void run_loop(void)
{
	reactor_run(reactor);
}

#include "timers-cases.h"

const struct timers_cases timers_bufev = { "bufev", start_stop, rearm, fire };
