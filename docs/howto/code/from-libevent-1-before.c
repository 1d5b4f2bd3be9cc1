/* SPDX-License-Identifier: MIT */
/* Echo by libevent 1.4's interface: see from-libevent-1.md. */
#include <event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(struct bufferevent *b, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(b, EVBUFFER_INPUT(b));
}

static void written(struct bufferevent *b, void *arg)
{
	(void)b, (void)arg;
}

static void failed(struct bufferevent *b, short what, void *arg)
{
	int fd = *(int *)arg;

	(void)what;
	bufferevent_free(b);
	close(fd);
}

static void serve(int *fd)
{
	struct bufferevent *b = bufferevent_new(*fd, echo, written, failed, fd);

	bufferevent_settimeout(b, 30, 30);
	bufferevent_setwatermark(b, EV_READ, 0, 65536);
	bufferevent_enable(b, EV_READ | EV_WRITE);
}

int main(void)
{
	static const char text[] = "there and back";
	char got[sizeof(text)];
	int fd[2];

	event_init();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	serve(&fd[0]);
	if (write(fd[1], text, sizeof(text)) != sizeof(text) ||
	    shutdown(fd[1], SHUT_WR) < 0)
		return 1;
	event_dispatch();
	return read(fd[1], got, sizeof(got)) != sizeof(got) ||
	       memcmp(got, text, sizeof(text)) != 0;
}
