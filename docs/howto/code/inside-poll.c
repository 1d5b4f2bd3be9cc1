/* SPDX-License-Identifier: MIT */
/*
 * A reactor inside a loop of poll(2) that serves other descriptors, too: here
 * a pipe, by which a child says when it is done.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bufev.h>

static bool heard;

static void hear(struct bufferevent *stream, unsigned what)
{
	char *line = evbuffer_readline(bufferevent_get_read(stream));

	(void)what;
	if (!line)
		return;
	printf("the reactor heard: %s\n", line);
	free(line);
	heard = true;
}

static void ended(struct bufferevent *stream, unsigned what)
{
	(void)what;
	bufferevent_disable(stream, EV_READ);
}

/* Writes to one, and then ends, which closes the other. */
static void be_child(int fd)
{
	static const char line[] = "here I am\n";

	_exit(write(fd, line, sizeof(line) - 1) != sizeof(line) - 1);
}

/* Until the child has ended and all that it said was heard. */
static int loop(struct reactor *reactor, int child)
{
	struct pollfd fds[2] = { { reactor_get_fd(reactor), POLLIN, 0 },
				 { child, POLLIN, 0 } };

	while (!heard || fds[1].fd >= 0) {
		int ms = reactor_prepare(reactor); /* the last thing before */

		if (poll(fds, 2, ms) < 0 && errno != EINTR)
			return -1;
		reactor_turn(reactor, 0); /* whatever ended the wait */
		if (fds[1].revents) {
			printf("the loop saw the child's end\n");
			fds[1].fd = -1;
		}
	}
	return 0;
}

int main(void)
{
	struct reactor *reactor = reactor_new(NULL);
	struct bufferevent *stream;
	int said[2], alive[2], status;

	if (!reactor)
		return 1;
	if (reactor_get_fd(reactor) < 0) {
		reactor_free(reactor);
		return 77; /* "poll" has no descriptor to wait for */
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, said) < 0 || pipe(alive) < 0)
		return 1;
	if (fork() == 0)
		be_child(said[1]);
	close(said[1]);
	close(alive[1]);
	stream = bufferevent_new_on(reactor, said[0], hear, NULL, ended);
	if (!stream)
		return 1;
	bufferevent_own_fd(stream, true);
	bufferevent_enable(stream, EV_READ);
	if (loop(reactor, alive[0]) < 0)
		return 1;
	bufferevent_free(stream);
	reactor_free(reactor);
	close(alive[0]);
	return wait(&status) < 0 || status != 0;
}
