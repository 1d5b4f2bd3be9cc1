/* SPDX-License-Identifier: MIT */
/*
 * A reactor inside libuv's loop: three handles, and every turn of the outer
 * loop is a turn of the inner one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include <bufev.h>

struct guest {
	struct reactor *reactor;
	uv_prepare_t prepare; /* before the wait */
	uv_poll_t poll;	      /* something came */
	uv_timer_t timer;     /* or it is time */
};

static void turn(struct guest *guest)
{
	reactor_turn(guest->reactor, 0);
}

static void came(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	turn(poll->data);
}

static void due(uv_timer_t *timer)
{
	turn(timer->data);
}

/* What must not wait runs now; then it is known how long the loop may sleep. */
static void prepare(uv_prepare_t *handle)
{
	struct guest *guest = handle->data;
	int ms = reactor_prepare(guest->reactor);

	if (ms < 0)
		uv_timer_stop(&guest->timer);
	else
		uv_timer_start(&guest->timer, due, (uint64_t)ms, 0);
}

static int move_in(struct guest *guest, uv_loop_t *loop)
{
	int fd = reactor_get_fd(guest->reactor);

	if (fd < 0)
		return -1;
	guest->prepare.data = guest->poll.data = guest->timer.data = guest;
	uv_prepare_init(loop, &guest->prepare);
	uv_timer_init(loop, &guest->timer);
	uv_poll_init(loop, &guest->poll, fd);
	uv_prepare_start(&guest->prepare, prepare);
	return uv_poll_start(&guest->poll, UV_READABLE, came);
}

static void move_out(struct guest *guest)
{
	uv_close((uv_handle_t *)&guest->prepare, NULL);
	uv_close((uv_handle_t *)&guest->poll, NULL);
	uv_close((uv_handle_t *)&guest->timer, NULL);
}

/* --- What lives on the reactor: a line to oneself, ten times -------------- */

static struct guest guest;
static struct reactor_timer rest;
static struct bufferevent *far;
static int rounds;

static void send_line(struct reactor_timer *timer)
{
	(void)timer;
	bufferevent_write(far, "round\n", 6);
}

static void heard(struct bufferevent *near, unsigned what)
{
	(void)what;
	evbuffer_drain(bufferevent_get_read(near), SIZE_MAX);
	if (++rounds == 10)
		move_out(&guest);
	else
		reactor_timer_start(guest.reactor, &rest, 2);
}

static void fail(struct bufferevent *stream, unsigned what)
{
	(void)stream;
	fprintf(stderr, "%s\n", bufferevent_what_string(what));
	exit(1);
}

static void ticked(uv_timer_t *timer)
{
	++*(int *)timer->data;
	if (rounds == 10)
		uv_close((uv_handle_t *)timer, NULL);
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t tick;
	struct bufferevent *near;
	int fd[2], ticks = 0;

	guest.reactor = reactor_new(NULL);
	if (!guest.reactor)
		return 1;
	if (move_in(&guest, loop) < 0) {
		reactor_free(guest.reactor);
		return 77; /* "poll" has no descriptor to wait for */
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	near = bufferevent_new_on(guest.reactor, fd[0], heard, NULL, fail);
	far = bufferevent_new_on(guest.reactor, fd[1], NULL, NULL, fail);
	if (!near || !far)
		return 1;
	bufferevent_own_fd(near, true);
	bufferevent_own_fd(far, true);
	bufferevent_enable(near, EV_READ);
	rest.fire = send_line;
	send_line(&rest);
	uv_timer_init(loop, &tick);
	tick.data = &ticks;
	uv_timer_start(&tick, ticked, 1, 1);
	uv_run(loop, UV_RUN_DEFAULT);
	bufferevent_free(near);
	bufferevent_free(far);
	reactor_free(guest.reactor);
	uv_loop_close(loop);
	printf("%d rounds on the reactor, %d ticks of the loop\n", rounds,
	       ticks);
	return rounds != 10 || ticks < 10;
}
