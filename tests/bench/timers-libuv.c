/* SPDX-License-Identifier: MIT */
/* The timer benchmark's cases on libuv's heap; see timers.h. */

#include "timers.h"

#include <uv.h>

struct timer {
	uv_timer_t timer;
};

static uv_loop_t loop;
static unsigned calls;

static void fired(uv_timer_t *timer)
{
	(void)timer;
	calls++;
}

static void open_loop(void)
{
	uv_loop_init(&loop);
}

static void run_loop(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void close_loop(struct timer *timers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		uv_close((uv_handle_t *)&timers[i].timer, NULL);
	run_loop();
	uv_loop_close(&loop);
}

static void prepare(struct timer *timer)
{
	uv_timer_init(&loop, &timer->timer);
}

static void start(struct timer *timer, unsigned ms)
{
	uv_timer_start(&timer->timer, fired, ms, 0);
}

static void stop(struct timer *timer)
{
	uv_timer_stop(&timer->timer);
}

#include "timers-cases.h"

const struct timers_cases timers_libuv = { "libuv", start_stop, rearm, fire };
