/* SPDX-License-Identifier: MIT */
/*
 * libuv's loop inside a reactor: a watch on its descriptor, and a timer.  After
 * each turn of the reactor the loop is asked how long it may sleep.
 */
#include <stdio.h>
#include <uv.h>

#include <bufev.h>

struct guest {
	uv_loop_t *loop;
	struct reactor_watch came;
	struct reactor_timer due;
};

static void turn(struct guest *guest)
{
	uv_run(guest->loop, UV_RUN_NOWAIT);
}

static void came(struct reactor_watch *watch, unsigned events)
{
	(void)events;
	turn((struct guest *)((char *)watch - offsetof(struct guest, came)));
}

static void due(struct reactor_timer *timer)
{
	turn((struct guest *)((char *)timer - offsetof(struct guest, due)));
}

static int run_both(struct reactor *reactor, struct guest *guest)
{
	guest->came.ready = came;
	guest->due.fire = due;
	if (reactor_watch_set(reactor, &guest->came, uv_backend_fd(guest->loop),
			      EV_READ) < 0)
		return -1;
	while (uv_loop_alive(guest->loop)) {
		int ms = uv_backend_timeout(guest->loop);

		if (ms < 0)
			reactor_timer_stop(&guest->due);
		else
			reactor_timer_start(reactor, &guest->due, (unsigned)ms);
		if (reactor_turn(reactor, -1) < 0)
			return -1;
		uv_update_time(guest->loop);
	}
	reactor_timer_stop(&guest->due);
	reactor_watch_stop(&guest->came);
	return 0;
}

/* --- Who lives there: a timer on each, and the other thread's call -------- */

static int uv_ticks, reactor_ticks, calls;
static struct reactor *outer;
static uv_async_t async;

static void uv_tick(uv_timer_t *timer)
{
	if (++uv_ticks == 5) {
		uv_close((uv_handle_t *)timer, NULL);
		uv_async_send(&async);
	}
}

static void called(uv_async_t *handle)
{
	calls++;
	uv_close((uv_handle_t *)handle, NULL);
}

static void reactor_tick(struct reactor_timer *timer)
{
	if (++reactor_ticks < 5)
		reactor_timer_start(outer, timer, 3);
}

int main(void)
{
	struct guest guest = { .loop = uv_default_loop() };
	struct reactor_timer tick = { .fire = reactor_tick };
	uv_timer_t timer;

	outer = reactor_new(NULL);
	if (!outer)
		return 1;
	uv_timer_init(guest.loop, &timer);
	uv_async_init(guest.loop, &async, called);
	uv_timer_start(&timer, uv_tick, 5, 5);
	reactor_timer_start(outer, &tick, 3);
	if (run_both(outer, &guest) < 0)
		return 1;
	reactor_run(outer);
	uv_loop_close(guest.loop);
	reactor_free(outer);
	printf("%d ticks of the loop, %d of the reactor, %d call\n", uv_ticks,
	       reactor_ticks, calls);
	return uv_ticks != 5 || reactor_ticks != 5 || calls != 1;
}
