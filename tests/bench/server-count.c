/* SPDX-License-Identifier: MIT */
/*
 * Counts waits.  These functions take the place of the C library's in the
 * whole program, shared libraries included, so a turn of each event loop is
 * counted in the same way and at the same small cost.
 */

#include "server.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

unsigned long server_waits, server_ready;

static int count(int n)
{
	server_waits++;
	if (n > 0)
		server_ready += (unsigned long)n;
	return n;
}

int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout,
		const sigset_t *mask)
{
	return count((int)syscall(SYS_epoll_pwait, epoll, events, max, timeout,
				  mask, _NSIG / 8));
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	return epoll_pwait(epoll, events, max, timeout, NULL);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = { timeout / 1000, timeout % 1000 * 1000000L };

	return count((int)syscall(SYS_ppoll, fds, n, timeout < 0 ? NULL : &ts,
				  NULL, _NSIG / 8));
}
