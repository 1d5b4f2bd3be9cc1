/* SPDX-License-Identifier: MIT */
/*
 * The echo server on this library, as a user would write it: a listener, a
 * bufferevent a connection that owns its descriptor, and a read callback that
 * moves what came to the write buffer.
 *
 *   echo-bufev [-t MS] [BACKEND]
 *
 * Without BACKEND the choice is reactor_new()'s, $BUFEV_BACKEND included.  -t
 * sets both timeouts.
 */

#include "server.h"

#include <bufev.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include <getopt.h>

static struct reactor *reactor;
static uint64_t timeout;

static void readable(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void ended(struct bufferevent *b, unsigned what)
{
	if (what & EVBUFFER_EOF)
		bufferevent_finish(b);
	else
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
	if (!b)
		server_fail("bufferevent");
	bufferevent_own_fd(b, true);
	bufferevent_set_timeouts(b, timeout, timeout);
	bufferevent_enable(b, EV_READ);
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
	int opt;

	while ((opt = getopt(argc, argv, "t:")) == 't')
		timeout = strtoull(optarg, NULL, 10);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server_widen();
	reactor = reactor_new(optind < argc ? argv[optind] : NULL);
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
