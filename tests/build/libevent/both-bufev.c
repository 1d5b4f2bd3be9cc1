/* SPDX-License-Identifier: MIT */
/* The part that knows this library. */

#include <bufev.h>
#include <sys/socket.h>
#include <unistd.h>

#include "both.h"

static void take(struct bufferevent *b, unsigned what)
{
	struct both *both = bufferevent_data(b);
	struct evbuffer *in = bufferevent_get_read(b);

	(void)what;
	both->length = evbuffer_remove(in, both->text, sizeof(both->text));
	both->trace = 'b';
	reactor_stop(bufferevent_get_reactor(b));
}

static void fail(struct bufferevent *b, unsigned what)
{
	(void)what;
	reactor_stop(bufferevent_get_reactor(b));
}

int both_bufev(struct both *both)
{
	struct reactor *reactor = reactor_new(NULL);
	struct bufferevent *from, *to;
	int fd[2], status = -1;

	if (!reactor || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return -1;
	from = bufferevent_new_on(reactor, fd[0], NULL, NULL, fail);
	to = bufferevent_new_on(reactor, fd[1], take, NULL, fail);
	if (from && to) {
		bufferevent_set_data(to, both);
		bufferevent_enable(to, EV_READ);
		evbuffer_add(bufferevent_get_write(from), BOTH_TEXT,
			     sizeof(BOTH_TEXT));
		status = reactor_run(reactor);
	}
	bufferevent_free(from);
	bufferevent_free(to);
	reactor_free(reactor);
	close(fd[0]);
	close(fd[1]);
	return status;
}
