/* SPDX-License-Identifier: MIT */
/*
 * The broadcast server on libevent's bufferevents.
 *
 * As its manual advises for small messages: bufferevent_write() to each other
 * connection, which copies.  (evbuffer_add_buffer_reference() saves the copy
 * and costs two allocations a reader; for 64 bytes it is the dearer one.)
 */

#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>

enum { CONNS = 16384 };

static struct bufferevent *conns[CONNS];
static int count;

static void readable(struct bufferevent *from, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(from);
	size_t n = evbuffer_get_length(in);
	const unsigned char *data = evbuffer_pullup(in, (ev_ssize_t)n);

	(void)arg;
	if (!data)
		server_fail("memory");
	for (int i = 0; i < count; i++) {
		if (conns[i] == from)
			continue;
		if (bufferevent_write(conns[i], data, n) < 0)
			server_fail("write");
		server_given += n;
	}
	evbuffer_drain(in, n);
}

static void happened(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	for (int i = 0; i < count; i++)
		if (conns[i] == bev) {
			conns[i] = conns[--count];
			break;
		}
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
	if (!bev || count == CONNS)
		server_fail("bufferevent");
	bufferevent_setcb(bev, readable, NULL, happened, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	conns[count++] = bev;
	server_greet(fd);
}

static void ended(evutil_socket_t signo, short what, void *base)
{
	(void)signo;
	(void)what;
	event_base_loopbreak(base);
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evconnlistener *listener;
	struct event *term;
	int fd = server_listen();

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
