/* SPDX-License-Identifier: MIT */
/*
 * The part on libevent, whose loop is the outer one: a timer of libevent writes
 * lines, and a bufferevent of libbufev reads them.  libevent 2.1 calls nobody
 * before it waits, so its loop is turned once at a time.
 */
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "beside-libevent.h"

enum { LINES = 5 };

static void tick(evutil_socket_t fd, short what, void *data)
{
	int *out = data;

	(void)fd, (void)what;
	if (write(*out, "tick\n", 5) != 5)
		perror("write");
}

static void turn(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what, (void)data;
	streams_turn();
}

/* One turn of both. */
static int turn_both(struct event_base *base, struct event *streams)
{
	int ms = streams_prepare();
	struct timeval wait = { ms / 1000, ms % 1000 * 1000 };

	if (event_add(streams, ms < 0 ? NULL : &wait) < 0)
		return -1;
	return event_base_loop(base, EVLOOP_ONCE);
}

int main(void)
{
	static const struct timeval pace = { 0, 2000 };
	struct event_base *base;
	struct event *streams, *timer;
	int fd[2], failed = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ||
	    streams_open(fd[0]) < 0)
		return 1;
	if (streams_fd() < 0) {
		streams_close();
		return 77; /* "poll" has no descriptor to wait for */
	}
	base = event_base_new();
	if (!base)
		return 1;
	streams = event_new(base, streams_fd(), EV_READ, turn, NULL);
	timer = event_new(base, -1, EV_PERSIST, tick, &fd[1]);
	event_add(timer, &pace);
	while (!failed && streams_lines() < LINES)
		failed = turn_both(base, streams) < 0;
	event_free(timer);
	event_free(streams);
	event_base_free(base);
	streams_close();
	close(fd[1]);
	printf("%d lines\n", LINES);
	return failed;
}
