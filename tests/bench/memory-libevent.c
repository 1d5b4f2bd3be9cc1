/* SPDX-License-Identifier: MIT */
/* The memory benchmark's echo on libevent; see memory.c. */

#include "bench.h"
#include "memory.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static struct event_base *base;

static void readable(struct bufferevent *bev, void *arg)
{
	(void)arg;
	evbuffer_add_buffer(bufferevent_get_output(bev),
			    bufferevent_get_input(bev));
}

static void failed(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	(void)arg;
	bench_fail("bufferevent");
}

static void open_base(void)
{
	base = event_base_new();
	if (!base)
		bench_fail("event_base");
}

static void add(int fd, bool timeouts)
{
	struct timeval minute = { 60, 0 };
	struct bufferevent *bev = bufferevent_socket_new(base, fd, 0);

	if (!bev)
		bench_fail("bufferevent");
	bufferevent_setcb(bev, readable, NULL, failed, NULL);
	if (timeouts)
		bufferevent_set_timeouts(bev, &minute, &minute);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

const struct memory_cases memory_libevent = { "libevent", open_base, add,
					      turn };
