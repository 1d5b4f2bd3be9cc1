/* SPDX-License-Identifier: MIT */

/*
 * The backend "epoll", level-triggered.  An event carries the descriptor and
 * not a pointer, so a registration that outlived its owner is harmless.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel-posix.h"
#include "memory.h"

struct epoll {
	int fd;
};

static void *epoll_open(void)
{
	struct epoll *self = bufev_memory_zeroed(sizeof(*self));

	if (!self)
		return NULL;
	self->fd = epoll_create1(EPOLL_CLOEXEC);
	if (self->fd < 0) {
		bufev_memory_free(self);
		return NULL;
	}
	return self;
}

static void epoll_end(void *p)
{
	struct epoll *self = p;

	if (self->fd >= 0)
		close(self->fd);
	bufev_memory_free(self);
}

/*
 * The child's descriptor leads to the parent's epoll: to close it takes
 * nothing away from the parent, to use it would.
 */
static int epoll_fork(void *p)
{
	struct epoll *self = p;

	close(self->fd);
	self->fd = epoll_create1(EPOLL_CLOEXEC);
	return self->fd < 0 ? -errno : 0;
}

static int control(const struct epoll *self, int op, int fd, unsigned wanted)
{
	struct epoll_event e = { .data.fd = fd };

	if (wanted & KERNEL_READ)
		e.events |= EPOLLIN;
	if (wanted & KERNEL_WRITE)
		e.events |= EPOLLOUT;
	return epoll_ctl(self->fd, op, fd, &e) < 0 ? -errno : 0;
}

static int epoll_set(void *p, int fd, unsigned was, unsigned wanted)
{
	const struct epoll *self = p;
	int error;

	if (wanted == 0) {
		control(self, EPOLL_CTL_DEL, fd, 0);
		return 0;
	}
	if (was == 0) {
		error = control(self, EPOLL_CTL_ADD, fd, wanted);
		if (error == -EEXIST)
			error = control(self, EPOLL_CTL_MOD, fd, wanted);
		return error;
	}
	error = control(self, EPOLL_CTL_MOD, fd, wanted);
	if (error == -ENOENT)
		error = control(self, EPOLL_CTL_ADD, fd, wanted);
	return error;
}

static int epoll_wait_for(void *p, struct kernel_event *events, int timeout_ms)
{
	const struct epoll *self = p;
	struct epoll_event e[KERNEL_BATCH];
	int n = epoll_wait(self->fd, e, KERNEL_BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		unsigned bits = 0;

		if (e[i].events & EPOLLIN)
			bits |= KERNEL_READ;
		if (e[i].events & EPOLLOUT)
			bits |= KERNEL_WRITE;
		if (e[i].events & (EPOLLHUP | EPOLLERR))
			bits |= KERNEL_LOSS;
		events[i].fd = e[i].data.fd;
		events[i].events = bits;
	}
	return n;
}

static int epoll_pollable(void *p)
{
	const struct epoll *self = p;

	return self->fd;
}

const struct kernel bufev_kernel_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.close = epoll_end,
	.fork = epoll_fork,
	.set = epoll_set,
	.wait = epoll_wait_for,
	.pollable = epoll_pollable,
	.now = bufev_posix_now,
	.transfer = bufev_posix_transfer,
	.adopt = bufev_posix_adopt,
	.restore = bufev_posix_restore,
	.close_fd = bufev_posix_close_fd,
	.listen = bufev_posix_listen,
	.accept = bufev_posix_accept,
	.connect = bufev_posix_connect,
	.connected = bufev_posix_connected,
	.error = bufev_posix_error,
	.shutdown = bufev_posix_shutdown,
	.undelivered = bufev_posix_undelivered,
};
