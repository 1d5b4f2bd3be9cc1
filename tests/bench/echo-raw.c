/* SPDX-License-Identifier: MIT */
/*
 * The floor: an echo server on the bare system calls.
 *
 *   echo-raw [-r | -g]
 *
 * Written as a good engineer would write it by hand: level-triggered epoll, at
 * most 512 events a wait, one read(2) and one write(2) a message, one buffer
 * that all connections share and that stays hot in the cache.  What the socket
 * does not take goes to a backlog of the connection; while there is one, its
 * reading stops and EPOLLOUT is asked for.  With -r it uses recv(2) and
 * send(2), which cost the kernel a little less.  With -g it is greedy: it stays
 * with a connection for up to 32 messages as long as they fill the buffer, as
 * libuv does, and all others wait.
 */

#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, ROOM = 65536, GREED = 32 };

struct conn {
	int fd;
	char *backlog;	     /* NULL: none */
	size_t from, length; /* what of it is to be sent */
};

static bool use_recv, greedy;
static int epoll;
static char shared[ROOM];

static ssize_t take(int fd, char *data, size_t n)
{
	return use_recv ? recv(fd, data, n, 0) : read(fd, data, n);
}

static ssize_t give(int fd, const char *data, size_t n)
{
	return use_recv ? send(fd, data, n, MSG_NOSIGNAL) : write(fd, data, n);
}

static void watch(int op, int fd, void *data, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, op, fd, &event) < 0)
		server_fail("epoll_ctl");
}

static void end(struct conn *conn)
{
	close(conn->fd);
	free(conn->backlog);
	free(conn);
}

static void accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn;

	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		server_fail("memory");
	conn->fd = fd;
	server_tune(fd);
	watch(EPOLL_CTL_ADD, fd, conn, EPOLLIN);
}

static void keep(struct conn *conn, const char *data, size_t n)
{
	conn->backlog = malloc(n);
	if (!conn->backlog)
		server_fail("memory");
	memcpy(conn->backlog, data, n);
	conn->from = 0;
	conn->length = n;
	watch(EPOLL_CTL_MOD, conn->fd, conn, EPOLLOUT);
}

/* May there be more at once? */
static bool echo(struct conn *conn)
{
	ssize_t sent, n = take(conn->fd, shared, sizeof(shared));

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		end(conn);
		return false;
	}
	sent = give(conn->fd, shared, (size_t)n);
	if (sent == n)
		return n == sizeof(shared);
	if (sent < 0 && errno != EAGAIN) {
		end(conn);
		return false;
	}
	if (sent < 0)
		sent = 0;
	keep(conn, shared + sent, (size_t)(n - sent));
	return false;
}

static void serve(struct conn *conn)
{
	int most = greedy ? GREED : 1;

	while (most-- > 0 && echo(conn))
		;
}

static void send_backlog(struct conn *conn)
{
	ssize_t sent = give(conn->fd, conn->backlog + conn->from,
			    conn->length - conn->from);

	if (sent < 0 && errno != EAGAIN) {
		end(conn);
		return;
	}
	if (sent > 0)
		conn->from += (size_t)sent;
	if (conn->from < conn->length)
		return;
	free(conn->backlog);
	conn->backlog = NULL;
	watch(EPOLL_CTL_MOD, conn->fd, conn, EPOLLIN);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
	static int listener, term;
	struct epoll_event events[EVENTS];
	bool over = false;

	use_recv = argc > 1 && strcmp(argv[1], "-r") == 0;
	greedy = argc > 1 && strcmp(argv[1], "-g") == 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	term = open_signals();
	listener = server_listen();
	watch(EPOLL_CTL_ADD, listener, &listener, EPOLLIN);
	watch(EPOLL_CTL_ADD, term, &term, EPOLLIN);
	server_announce(listener);
	while (!over) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *conn = events[i].data.ptr;

			if (events[i].data.ptr == &listener)
				accept_one(listener);
			else if (events[i].data.ptr == &term)
				over = true;
			else if (conn->backlog)
				send_backlog(conn);
			else
				serve(conn);
		}
	}
	server_report();
	return 0;
}
