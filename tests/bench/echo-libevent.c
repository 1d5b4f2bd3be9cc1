/* SPDX-License-Identifier: MIT */
/*
 * The echo server on libevent's bufferevents.
 *
 *   echo-libevent [-t MS]
 *
 * Written as its manual's chapters on bufferevents and on connection listeners
 * show it: evconnlistener, one bufferevent_socket_new() a connection with
 * BEV_OPT_CLOSE_ON_FREE, and a read callback that moves the input to the
 * output by evbuffer_add_buffer(), without a copy.  -t sets both timeouts.
 */

#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct timeval timeout;

static void readable(struct bufferevent *bev, void *arg)
{
	(void)arg;
	evbuffer_add_buffer(bufferevent_get_output(bev),
			    bufferevent_get_input(bev));
}

static void happened(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		bufferevent_free(bev);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd,
		     struct sockaddr *from, int size, void *arg)
{
	struct event_base *base = evconnlistener_get_base(listener);
	struct bufferevent *bev;

	(void)from;
	(void)size;
	(void)arg;
	server_tune(fd);
	bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		server_fail("bufferevent");
	bufferevent_setcb(bev, readable, NULL, happened, NULL);
	if (timeout.tv_sec || timeout.tv_usec)
		bufferevent_set_timeouts(bev, &timeout, &timeout);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void ended(evutil_socket_t signo, short what, void *base)
{
	(void)signo;
	(void)what;
	event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evconnlistener *listener;
	struct event *term;
	int fd = server_listen();

	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		timeout.tv_sec = atol(argv[2]) / 1000;
		timeout.tv_usec = atol(argv[2]) % 1000 * 1000;
	}
	signal(SIGPIPE, SIG_IGN);
	listener = evconnlistener_new(
		base, accepted, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	term = evsignal_new(base, SIGTERM, ended, base);
	if (!listener || !term || event_add(term, NULL) < 0)
		server_fail("libevent");
	server_announce(fd);
	event_base_dispatch(base);
	server_report();
	event_free(term);
	evconnlistener_free(listener);
	event_base_free(base);
	return 0;
}
