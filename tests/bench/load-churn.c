/* SPDX-License-Identifier: MIT */
/*
 * The engine of the load generator that opens a new connection for each batch:
 * connect, send, receive, close.  A connect over the loopback is done when the
 * call returns, so only receiving waits.  A batch must fit the socket's
 * buffer, and small ones are what this is for.
 */

#include "load.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512 };

static void begin(struct load *load, int epoll, int i)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct load_peer *peer = &load->peers[i];

	event.data.u32 = (uint32_t)i;
	peer->began = load_now();
	if (peer->fd < 0)
		peer->fd = load_connect(load);
	if (send(peer->fd, load->out, load->batch, MSG_NOSIGNAL) !=
	    (ssize_t)load->batch)
		load_fail("send", errno);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event) < 0)
		load_fail("epoll_ctl", errno);
}

static void receive(struct load *load, int epoll, int i)
{
	static char in[LOAD_TAKE];
	struct load_peer *peer = &load->peers[i];
	ssize_t n = recv(peer->fd, in, sizeof(in), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		load_fail("recv", n < 0 ? errno : EPIPE);
	if (load_took(load, i, (size_t)n, load_now()) < 0)
		return;
	close(peer->fd);
	peer->fd = -1;
	begin(load, epoll, i);
}

int load_by_churn(struct load *load)
{
	struct epoll_event events[EVENTS];
	int i, n, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return -1;
	load->engine = "churn";
	load->fresh = load->conns;
	for (i = 0; i < load->conns; i++)
		begin(load, epoll, i);
	while (load_goes_on(load, load_now())) {
		n = epoll_wait(epoll, events, EVENTS, 1000);
		for (i = 0; i < n; i++)
			receive(load, epoll, (int)events[i].data.u32);
	}
	return 0;
}
