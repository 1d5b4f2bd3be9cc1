/* SPDX-License-Identifier: MIT */
/*
 * The broadcast server on this library, as a user would write it: the read
 * callback hands what came to each other connection by bufferevent_write().
 *
 *   broadcast-bufev [BACKEND]
 */

#include "server.h"

#include <bufev.h>
#include <netinet/in.h>
#include <signal.h>

enum { CONNS = 16384 };

static struct reactor *reactor;
static struct bufferevent *conns[CONNS];
static int count;

static void readable(struct bufferevent *from, unsigned what)
{
	struct evbuffer *in = bufferevent_get_read(from);
	size_t n = evbuffer_get_length(in);
	const char *data = evbuffer_pullup(in, n);

	(void)what;
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

static void ended(struct bufferevent *b, unsigned what)
{
	(void)what;
	for (int i = 0; i < count; i++)
		if (conns[i] == b) {
			conns[i] = conns[--count];
			break;
		}
	bufferevent_free(b);
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *from, socklen_t size, void *data)
{
	struct bufferevent *b;

	(void)listener;
	(void)from;
	(void)size;
	(void)data;
	server_tune(fd);
	b = bufferevent_new_on(reactor, fd, readable, NULL, ended);
	if (!b || count == CONNS)
		server_fail("bufferevent");
	bufferevent_own_fd(b, true);
	bufferevent_enable(b, EV_READ);
	conns[count++] = b;
	server_greet(fd);
}

static void stop(struct reactor_signal *signal, int signo)
{
	(void)signal;
	(void)signo;
	reactor_stop(reactor);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	struct reactor_signal term = { .caught = stop };
	struct bufferevent_listener *listener;

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server_widen();
	reactor = reactor_new(argc > 1 ? argv[1] : NULL);
	if (!reactor || reactor_signal_start(reactor, &term, SIGTERM) < 0)
		server_fail("reactor");
	listener = bufferevent_listen(reactor, (struct sockaddr *)&here,
				      sizeof(here), 0, accepted, NULL);
	if (!listener)
		server_fail("listen");
	server_announce(bufferevent_listener_get_fd(listener));
	reactor_run(reactor);
	server_report();
	reactor_signal_stop(&term);
	bufferevent_listener_free(listener);
	reactor_free(reactor);
	return 0;
}
