/* SPDX-License-Identifier: MIT */
/* Echo by this library: what from-libevent-1, -2 and from-libuv come to. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bufev.h>

static void echo(struct bufferevent *b, unsigned what)
{
	(void)what;
	if (!bufferevent_is_full(b))
		bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void ended(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
	bufferevent_finish(b);
}

static int serve(struct reactor *reactor, int fd)
{
	struct bufferevent *b =
		bufferevent_new_on(reactor, fd, echo, echo, ended);

	if (!b)
		return -1;
	bufferevent_own_fd(b, true);
	bufferevent_set_timeouts(b, 30000, 30000);
	bufferevent_set_read_watermarks(b, 0, 65536);
	bufferevent_set_write_watermarks(b, 0, 65536);
	return bufferevent_enable(b, EV_READ);
}

int main(void)
{
	static const char text[] = "there and back";
	struct reactor *reactor = reactor_new(NULL);
	char got[sizeof(text)];
	int fd[2];

	if (!reactor || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ||
	    serve(reactor, fd[0]) < 0)
		return 1;
	if (write(fd[1], text, sizeof(text)) != sizeof(text) ||
	    shutdown(fd[1], SHUT_WR) < 0)
		return 1;
	while (recv(fd[1], got, sizeof(got), MSG_DONTWAIT | MSG_PEEK) <= 0)
		reactor_turn(reactor, -1);
	if (read(fd[1], got, sizeof(got)) != sizeof(got) ||
	    memcmp(got, text, sizeof(text)) != 0)
		return 1;
	close(fd[1]); /* or the other end would linger for our end */
	reactor_run(reactor);
	reactor_free(reactor);
	return 0;
}
