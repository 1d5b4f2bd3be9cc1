/* SPDX-License-Identifier: MIT */
/*
 * Debugging: a server that echoes, a client that asks once, and something to
 * see of both.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bufev.h>

static bool heard;

static void echo(struct bufferevent *stream, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(stream, bufferevent_get_read(stream));
}

static void hear(struct bufferevent *stream, unsigned what)
{
	char text[16];
	size_t n = bufferevent_read(stream, text, sizeof(text));

	(void)what;
	heard = n == 5 && memcmp(text, "hello", 5) == 0;
	bufferevent_free(stream);
}

static void ended(struct bufferevent *stream, unsigned what)
{
	(void)what;
	bufferevent_free(stream);
}

static struct bufferevent *begin(int fd, const char *name, bufferevent_cb *read)
{
	struct bufferevent *stream = bufferevent_new(fd, read, NULL, ended);

	if (!stream)
		return NULL;
	bufferevent_own_fd(stream, true);
	bufferevent_set_name(stream, name);
	bufferevent_enable(stream, EV_READ);
	return stream;
}

int main(void)
{
	struct bufferevent *client;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	client = begin(fd[0], "client", hear);
	if (!client || !begin(fd[1], "server", echo))
		return 1;
	bufferevent_write(client, "hello", 5);
	reactor_run(reactor_default());
	return !heard;
}
