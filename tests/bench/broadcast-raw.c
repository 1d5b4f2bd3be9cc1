/* SPDX-License-Identifier: MIT */
/*
 * The floor of the broadcast: one read(2), and one write(2) to each other
 * connection, from the one buffer that all share.
 *
 * Level-triggered epoll.  What a reader's socket does not take goes to a
 * backlog of it, and EPOLLOUT is asked for until that is gone; while there is
 * one, what comes is appended.
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

enum { EVENTS = 512, ROOM = 65536, CONNS = 16384 };

struct conn {
	int fd, at;    /* at: its place in conns */
	char *backlog; /* NULL: none */
	size_t from, length;
};

static int epoll, count;
static char shared[ROOM];
static struct conn *conns[CONNS];

static void watch(int op, int fd, void *data, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, op, fd, &event) < 0)
		server_fail("epoll_ctl");
}

static void end(struct conn *conn)
{
	conns[conn->at] = conns[--count];
	conns[conn->at]->at = conn->at;
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
	if (!conn || count == CONNS)
		server_fail("memory");
	conn->fd = fd;
	conn->at = count;
	conns[count++] = conn;
	server_tune(fd);
	watch(EPOLL_CTL_ADD, fd, conn, EPOLLIN);
	server_greet(fd);
}

static void keep(struct conn *conn, const char *data, size_t n)
{
	char *more = realloc(conn->backlog, conn->length + n);

	if (!more)
		server_fail("memory");
	memcpy(more + conn->length, data, n);
	if (!conn->backlog)
		watch(EPOLL_CTL_MOD, conn->fd, conn, EPOLLIN | EPOLLOUT);
	conn->backlog = more;
	conn->length += n;
}

/* A reader that is gone is noticed when it is read from. */
static void give(struct conn *conn, const char *data, size_t n)
{
	ssize_t sent = 0;

	server_given += n;
	if (!conn->backlog)
		sent = write(conn->fd, data, n);
	if (sent < 0 && errno != EAGAIN)
		return;
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < n)
		keep(conn, data + sent, n - (size_t)sent);
}

static void pass_on(struct conn *from)
{
	ssize_t n = read(from->fd, shared, sizeof(shared));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(from);
		return;
	}
	for (int i = 0; i < count; i++)
		if (conns[i] != from)
			give(conns[i], shared, (size_t)n);
}

static void send_backlog(struct conn *conn)
{
	ssize_t sent = write(conn->fd, conn->backlog + conn->from,
			     conn->length - conn->from);

	if (sent > 0)
		conn->from += (size_t)sent;
	if (conn->from < conn->length && (sent >= 0 || errno == EAGAIN))
		return;
	free(conn->backlog);
	conn->backlog = NULL;
	conn->from = conn->length = 0;
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

int main(void)
{
	static int listener, term;
	struct epoll_event events[EVENTS];
	bool over = false;

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
			else if (events[i].events & EPOLLOUT && conn->backlog)
				send_backlog(conn);
			else
				pass_on(conn);
		}
	}
	server_report();
	return 0;
}
