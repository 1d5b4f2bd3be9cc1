/* SPDX-License-Identifier: MIT */
/*
 * The floor of the proxy: a copy loop by hand.
 *
 *   proxy-raw PORT
 *
 * Passes connections on to PORT of 127.0.0.1.  Level-triggered epoll, one
 * buffer of 64 KiB a direction, a read(2) and a write(2) a piece; what was not
 * taken waits, and while it does its source is not read.  No splice(2): this is
 * the loop of a program that means to look at the bytes.  The end of input is
 * passed on as a half-close.
 */

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, ROOM = 65536 };

struct side {
	struct pair *pair;
	struct side *other;
	int fd;
	uint32_t events;     /* registered */
	bool over;	     /* its input has ended */
	size_t from, length; /* what of data the other has not taken */
	char data[ROOM];     /* read from fd */
};

struct pair {
	struct pair *next; /* among those that have ended */
	bool ended;
	struct side client, server;
};

static int epoll;
static struct pair *gone;
static struct sockaddr_in target = { .sin_family = AF_INET };

static void watch(int op, int fd, void *data, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, op, fd, &event) < 0)
		server_fail("epoll_ctl");
}

static void settle(struct side *side)
{
	uint32_t events = 0;

	if (!side->over && side->length == 0)
		events |= EPOLLIN;
	if (side->other->length > 0)
		events |= EPOLLOUT;
	if (events == side->events)
		return;
	watch(EPOLL_CTL_MOD, side->fd, side, events);
	side->events = events;
}

/* Writes what was read from `side` to the other; false where that failed. */
static bool give(struct side *side)
{
	ssize_t n =
		write(side->other->fd, side->data + side->from, side->length);

	if (n < 0)
		return errno == EAGAIN;
	side->from += (size_t)n;
	side->length -= (size_t)n;
	return true;
}

static bool take(struct side *side)
{
	ssize_t n = read(side->fd, side->data, sizeof(side->data));

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0) {
		side->over = true;
		shutdown(side->other->fd, SHUT_WR);
		return true;
	}
	side->from = 0;
	side->length = (size_t)n;
	return give(side);
}

/* Its sides may be among the events that are still to be served. */
static void end(struct pair *pair)
{
	close(pair->client.fd);
	close(pair->server.fd);
	pair->ended = true;
	pair->next = gone;
	gone = pair;
}

static void bury(void)
{
	struct pair *pair;

	while ((pair = gone) != NULL) {
		gone = pair->next;
		free(pair);
	}
}

static void serve(struct side *side, uint32_t events)
{
	struct side *other = side->other;
	bool good = true;

	if (side->pair->ended)
		return;
	if (events & EPOLLOUT && other->length > 0)
		good = give(other);
	if (good && events & ~(uint32_t)EPOLLOUT && side->length == 0)
		good = take(side);
	if (!good || (side->over && other->over && side->length == 0 &&
		      other->length == 0)) {
		end(side->pair);
		return;
	}
	settle(side);
	settle(other);
}

static void accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pair *pair = calloc(1, sizeof(*pair));

	/* Over the loopback a connect is done, or has failed, at once. */
	if (fd < 0 || to < 0 || !pair ||
	    (connect(to, (struct sockaddr *)&target, sizeof(target)) < 0 &&
	     errno != EINPROGRESS))
		server_fail("connect");
	pair->client.pair = pair->server.pair = pair;
	pair->client.other = &pair->server;
	pair->server.other = &pair->client;
	pair->client.fd = fd;
	pair->server.fd = to;
	pair->client.events = pair->server.events = EPOLLIN;
	watch(EPOLL_CTL_ADD, fd, &pair->client, EPOLLIN);
	watch(EPOLL_CTL_ADD, to, &pair->server, EPOLLIN);
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

	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	target.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	term = open_signals();
	listener = server_listen();
	watch(EPOLL_CTL_ADD, listener, &listener, EPOLLIN);
	watch(EPOLL_CTL_ADD, term, &term, EPOLLIN);
	server_announce(listener);
	while (!over) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &listener)
				accept_one(listener);
			else if (events[i].data.ptr == &term)
				over = true;
			else
				serve(events[i].data.ptr, events[i].events);
		}
		bury();
	}
	server_report();
	return 0;
}
