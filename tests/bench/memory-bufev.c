/* SPDX-License-Identifier: MIT */
/* The memory benchmark's echo on this library; see memory.c. */

#include "bench.h"
#include "memory.h"

#include <bufev.h>

static struct reactor *reactor;

static void readable(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void failed(struct bufferevent *b, unsigned what)
{
	(void)b;
	bench_fail(bufferevent_what_string(what));
}

static void open_reactor(void)
{
	reactor = reactor_new(NULL);
	if (!reactor)
		bench_fail("reactor");
}

static void add(int fd, bool timeouts)
{
	struct bufferevent *b;

	b = bufferevent_new_on(reactor, fd, readable, NULL, failed);
	if (!b)
		bench_fail("bufferevent");
	if (timeouts)
		bufferevent_set_timeouts(b, 60000, 60000);
	bufferevent_enable(b, EV_READ);
}

static void turn(void)
{
	reactor_turn(reactor, 0);
}

const struct memory_cases memory_bufev = { "bufev", open_reactor, add, turn };
