/* SPDX-License-Identifier: MIT */
/*
 * The timer benchmark's cases on libevent's heap; see timers.h.  The events
 * are the caller's memory (event_assign), which is its cheaper form.
 */

#include "timers.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct timer {
	struct event event;
};

static struct event_base *base;
static unsigned calls;

static void fired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	calls++;
}

static void open_loop(void)
{
	base = event_base_new();
}

static void close_loop(struct timer *timers, unsigned count)
{
	(void)timers;
	(void)count;
	event_base_free(base);
}

static void prepare(struct timer *timer)
{
	evtimer_assign(&timer->event, base, fired, NULL);
}

static void start(struct timer *timer, unsigned ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(&timer->event, &tv);
}

static void stop(struct timer *timer)
{
	evtimer_del(&timer->event);
}

static void run_loop(void)
{
	event_base_dispatch(base);
}

#include "timers-cases.h"

const struct timers_cases timers_libevent = { "libevent", start_stop, rearm,
					      fire };
