/* SPDX-License-Identifier: MIT */
/*
 * The echo server on libev.
 *
 * libev has watchers and no buffers, so the buffer is written by hand: as its
 * manual shows, one ev_io a connection, embedded in the connection's struct,
 * and a callback that reads as much as one call gives.  The bytes pass through
 * one buffer that all connections share; what the socket does not take goes to
 * a backlog of the connection, and the watcher is stopped, set to EV_WRITE and
 * started again until it is gone.  The loop is ev_default_loop(0), which takes
 * epoll here.
 */

#include "server.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 65536 };

struct conn {
	ev_io io;      /* first: the callback gets its address */
	char *backlog; /* NULL: none */
	size_t from, length;
};

static char shared[ROOM];

static void end(struct ev_loop *loop, struct conn *conn)
{
	ev_io_stop(loop, &conn->io);
	close(conn->io.fd);
	free(conn->backlog);
	free(conn);
}

static void await(struct ev_loop *loop, struct conn *conn, int events)
{
	ev_io_stop(loop, &conn->io);
	ev_io_set(&conn->io, conn->io.fd, events);
	ev_io_start(loop, &conn->io);
}

static void echo(struct ev_loop *loop, struct conn *conn)
{
	ssize_t sent, n = recv(conn->io.fd, shared, sizeof(shared), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(loop, conn);
		return;
	}
	sent = send(conn->io.fd, shared, (size_t)n, MSG_NOSIGNAL);
	if (sent == n)
		return;
	if (sent < 0 && errno != EAGAIN) {
		end(loop, conn);
		return;
	}
	if (sent < 0)
		sent = 0;
	conn->from = 0;
	conn->length = (size_t)(n - sent);
	conn->backlog = malloc(conn->length);
	if (!conn->backlog)
		server_fail("memory");
	memcpy(conn->backlog, shared + sent, conn->length);
	await(loop, conn, EV_WRITE);
}

static void send_backlog(struct ev_loop *loop, struct conn *conn)
{
	ssize_t sent = send(conn->io.fd, conn->backlog + conn->from,
			    conn->length - conn->from, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN) {
		end(loop, conn);
		return;
	}
	if (sent > 0)
		conn->from += (size_t)sent;
	if (conn->from < conn->length)
		return;
	free(conn->backlog);
	conn->backlog = NULL;
	await(loop, conn, EV_READ);
}

static void moved(struct ev_loop *loop, ev_io *io, int events)
{
	struct conn *conn = (struct conn *)io;

	(void)events;
	if (conn->backlog)
		send_backlog(loop, conn);
	else
		echo(loop, conn);
}

static void accepted(struct ev_loop *loop, ev_io *io, int events)
{
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn;

	(void)events;
	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		server_fail("memory");
	server_tune(fd);
	ev_io_init(&conn->io, moved, fd, EV_READ);
	ev_io_start(loop, &conn->io);
}

static void ended(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)signal;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

int main(void)
{
	struct ev_loop *loop = ev_default_loop(0);
	static ev_io listener;
	static ev_signal term;
	int fd = server_listen();

	ev_io_init(&listener, accepted, fd, EV_READ);
	ev_io_start(loop, &listener);
	ev_signal_init(&term, ended, SIGTERM);
	ev_signal_start(loop, &term);
	server_announce(fd);
	ev_run(loop, 0);
	server_report();
	return 0;
}
