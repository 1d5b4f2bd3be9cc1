/* SPDX-License-Identifier: MIT */
/*
 * An outside program: sends a line through a pair of sockets, each end of
 * which is a bufferevent, and has it sent back.
 */

#include <bufev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char line[] = "there and back again\n";

static void echo(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void compare(struct bufferevent *b, unsigned what)
{
	char text[sizeof(line)];
	size_t n = bufferevent_read(b, text, sizeof(text));
	int *same = bufferevent_data(b);

	(void)what;
	*same = n == strlen(line) && memcmp(text, line, n) == 0;
	reactor_stop(bufferevent_get_reactor(b));
}

static void fail(struct bufferevent *b, unsigned what)
{
	fprintf(stderr, "%s\n", bufferevent_what_string(what));
	reactor_stop(bufferevent_get_reactor(b));
}

static int run(const int fd[2])
{
	struct bufferevent *far = bufferevent_new(fd[0], echo, NULL, fail);
	struct bufferevent *near = bufferevent_new(fd[1], compare, NULL, fail);
	int same = 0;

	if (far && near) {
		bufferevent_set_data(near, &same);
		bufferevent_enable(far, EV_READ);
		bufferevent_enable(near, EV_READ);
		bufferevent_write(near, line, strlen(line));
		reactor_run(reactor_default());
	}
	bufferevent_free(near);
	bufferevent_free(far);
	return same;
}

int main(void)
{
	int fd[2], same;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return 2;
	same = run(fd);
	close(fd[0]);
	close(fd[1]);
	printf("libbufev %s: %s\n", bufev_version(), same ? "same" : "lost");
	return same ? 0 : 1;
}
