/* SPDX-License-Identifier: MIT */
/*
 * The plain engine of the load generator: epoll, a receive and a send for each
 * batch.  It serves where io_uring is missing, and where each byte is to be
 * compared.  A batch larger than the socket's buffers goes out in pieces while
 * its beginning already comes back, so sending never blocks.
 */

#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS = 512 };

static char in[LOAD_TAKE];

static void watch(int epoll, int op, struct load *load, int i, uint32_t events)
{
	struct epoll_event event = { .events = events };

	event.data.u32 = (uint32_t)i;
	if (epoll_ctl(epoll, op, load->peers[i].fd, &event) < 0)
		load_fail("epoll_ctl", errno);
}

/* Sends what is left of peer i's batch. */
static void send_rest(struct load *load, int epoll, int i, size_t *sent)
{
	struct load_peer *peer = &load->peers[i];
	ssize_t n = send(peer->fd, load->out + *sent, load->batch - *sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		load_fail("send", errno);
	if (n > 0)
		*sent += (size_t)n;
	watch(epoll, EPOLL_CTL_MOD, load, i,
	      *sent < load->batch ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void begin(struct load *load, int epoll, int i, size_t *sent,
		  uint64_t now)
{
	struct load_peer *peer = &load->peers[i];
	ssize_t n = send(peer->fd, load->out, load->batch,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		load_fail("send", errno);
	peer->began = now;
	*sent = n > 0 ? (size_t)n : 0;
	if (*sent < load->batch)
		watch(epoll, EPOLL_CTL_MOD, load, i, EPOLLIN | EPOLLOUT);
}

static void compare(const struct load *load, int i, size_t n)
{
	size_t at = load->peers[i].got;
	bool same = load->broadcast || at + n <= load->batch;

	for (size_t k = 0; same && k < n; k++)
		same = in[k] == load->out[(at + k) % load->batch];
	if (!same)
		load_fail("what came differs from what was sent", EPROTO);
}

static void receive(struct load *load, int epoll, int i, size_t *sent,
		    uint64_t now)
{
	int next;
	int flags = MSG_DONTWAIT | (load->check ? 0 : MSG_TRUNC);
	ssize_t n = recv(load->peers[i].fd, in, sizeof(in), flags);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		load_fail("recv", n < 0 ? errno : EPIPE);
	if (load->check)
		compare(load, i, (size_t)n);
	next = load_took(load, i, (size_t)n, now);
	if (next >= 0)
		begin(load, epoll, next, &sent[next], now);
}

int load_by_epoll(struct load *load)
{
	struct epoll_event events[EVENTS];
	int i, k, n, epoll = epoll_create1(EPOLL_CLOEXEC);
	size_t *sent = calloc((size_t)load->conns, sizeof(*sent));
	int *first = calloc((size_t)load->conns, sizeof(*first));
	uint64_t now = load_now();

	if (epoll < 0 || !sent || !first)
		return -1;
	load->engine = "epoll";
	for (i = 0; i < load->conns; i++)
		watch(epoll, EPOLL_CTL_ADD, load, i, EPOLLIN);
	n = load_first(load, first, now);
	for (k = 0; k < n; k++)
		begin(load, epoll, first[k], &sent[first[k]], now);
	free(first);
	while (load_goes_on(load, now)) {
		n = epoll_wait(epoll, events, EVENTS, 1000);
		now = load_now();
		for (k = 0; k < n; k++) {
			i = (int)events[k].data.u32;
			if (events[k].events & EPOLLOUT)
				send_rest(load, epoll, i, &sent[i]);
			if (events[k].events & ~(uint32_t)EPOLLOUT)
				receive(load, epoll, i, sent, now);
		}
	}
	free(sent);
	return 0;
}
