/* SPDX-License-Identifier: MIT */
/*
 * The engine of the load generator for proxies: as many bytes as will pass.
 *
 * Each connection is made to the proxy, whose own connection to its target is
 * accepted here; so both ends are ours.  Where the direction asks for it an
 * end sends whenever it can, and it always takes all that comes and throws it
 * away inside the kernel (MSG_TRUNC), so moving a byte costs the generator one
 * copy and the proxy two.  "messages" are pieces of SIZE bytes that arrived.
 */

#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { THERE = 1, BACK = 2, EVENTS = 64, PATIENCE_MS = 10000 };

struct end {
	int fd;
	size_t sent, got; /* places in the batch */
};

static char in[LOAD_TAKE];

static int accept_end(const struct load *load)
{
	struct pollfd due = { .fd = load->target, .events = POLLIN };
	int fd = -1;

	if (poll(&due, 1, PATIENCE_MS) == 1)
		fd = accept4(load->target, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		load_fail("the proxy did not connect", errno);
	return fd;
}

static void watch(int epoll, struct end *end, int fd, bool sends)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };

	end->fd = fd;
	if (sends)
		event.events |= EPOLLOUT;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		load_fail("epoll_ctl", errno);
}

static void give(const struct load *load, struct end *end)
{
	ssize_t n = send(end->fd, load->out + end->sent,
			 load->batch - end->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		load_fail("send", errno);
	if (n > 0)
		end->sent = (end->sent + (size_t)n) % load->batch;
}

static uint64_t take(const struct load *load, struct end *end)
{
	int flags = MSG_DONTWAIT | (load->check ? 0 : MSG_TRUNC);
	ssize_t n = recv(end->fd, in, sizeof(in), flags);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		load_fail("recv", n < 0 ? errno : EPIPE);
	for (ssize_t k = 0; load->check && k < n; k++)
		if (in[k] != load->out[(end->got + (size_t)k) % load->batch])
			load_fail("what came differs from what was sent",
				  EPROTO);
	end->got = (end->got + (size_t)n) % load->batch;
	return (uint64_t)n;
}

int load_by_bulk(struct load *load)
{
	struct end *ends = calloc((size_t)load->conns, 2 * sizeof(*ends));
	struct epoll_event events[EVENTS];
	int i, n, epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t taken, bytes = 0;

	if (epoll < 0 || !ends)
		return -1;
	load->engine = "bulk";
	for (i = 0; i < load->conns; i++) {
		watch(epoll, &ends[2 * i], load->peers[i].fd,
		      load->depth & THERE);
		watch(epoll, &ends[2 * i + 1], accept_end(load),
		      load->depth & BACK);
	}
	while (load_goes_on(load, load_now())) {
		n = epoll_wait(epoll, events, EVENTS, 1000);
		for (i = 0; i < n; i++) {
			struct end *end = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				give(load, end);
			if (!(events[i].events & ~(uint32_t)EPOLLOUT))
				continue;
			taken = take(load, end);
			if (load->open)
				bytes += taken;
		}
	}
	load->messages = bytes / load->size;
	free(ends);
	return 0;
}
