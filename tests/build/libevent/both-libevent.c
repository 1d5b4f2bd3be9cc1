/* SPDX-License-Identifier: MIT */
/* The part that knows libevent. */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "both.h"

static void take(struct bufferevent *b, void *arg)
{
	struct both *both = arg;
	struct evbuffer *in = bufferevent_get_input(b);
	int n = evbuffer_remove(in, both->text, sizeof(both->text));

	both->length = n > 0 ? (size_t)n : 0;
	both->trace = 'l';
	event_base_loopbreak(bufferevent_get_base(b));
}

int both_libevent(struct both *both)
{
	struct event_base *base = event_base_new();
	struct bufferevent *from, *to;
	int fd[2], status = -1;

	if (!base || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return -1;
	evutil_make_socket_nonblocking(fd[0]);
	evutil_make_socket_nonblocking(fd[1]);
	from = bufferevent_socket_new(base, fd[0], 0);
	to = bufferevent_socket_new(base, fd[1], 0);
	if (from && to) {
		bufferevent_setcb(to, take, NULL, NULL, both);
		bufferevent_enable(to, EV_READ);
		bufferevent_enable(from, EV_WRITE);
		evbuffer_add(bufferevent_get_output(from), BOTH_TEXT,
			     sizeof(BOTH_TEXT));
		status = event_base_dispatch(base);
	}
	bufferevent_free(from);
	bufferevent_free(to);
	event_base_free(base);
	close(fd[0]);
	close(fd[1]);
	return status;
}
