/* SPDX-License-Identifier: MIT */
/* Echo by libevent 2: see from-libevent-2.md. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(struct bufferevent *b, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void ended(struct bufferevent *b, short what, void *arg)
{
	(void)what, (void)arg;
	bufferevent_free(b);
}

static void serve(struct event_base *base, int fd)
{
	static const struct timeval half_minute = { 30, 0 };
	struct bufferevent *b;

	evutil_make_socket_nonblocking(fd);
	b = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(b, echo, NULL, ended, NULL);
	bufferevent_set_timeouts(b, &half_minute, &half_minute);
	bufferevent_setwatermark(b, EV_READ, 0, 65536);
	bufferevent_enable(b, EV_READ);
}

int main(void)
{
	static const char text[] = "there and back";
	struct event_base *base = event_base_new();
	char got[sizeof(text)];
	int fd[2];

	if (!base || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	serve(base, fd[0]);
	if (write(fd[1], text, sizeof(text)) != sizeof(text) ||
	    shutdown(fd[1], SHUT_WR) < 0)
		return 1;
	event_base_dispatch(base);
	event_base_free(base);
	return read(fd[1], got, sizeof(got)) != sizeof(got) ||
	       memcmp(got, text, sizeof(text)) != 0;
}
