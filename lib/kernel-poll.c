/* SPDX-License-Identifier: MIT */

/*
 * The backend "poll": works everywhere, and costs the kernel a look at each
 * descriptor in each wait.
 *
 * A dense array is what poll(2) takes; an index by descriptor leads into it.
 * The array is scanned round and round, from `next`, so that of many who are
 * ready at once each gets its turn:
 *
 *	[ served . . . . . . . | to be served . . . . . . ]
 *	0                      next                       count
 *
 * A scan moves `next` on; who is registered comes in just before it, and whose
 * registration ends leaves its own part without mixing the two.  So what is
 * right of `next` only gets fewer until all have been looked at, and nobody
 * who comes and goes can push in.
 *
 * A descriptor that was closed while registered is POLLNVAL in each wait; it is
 * masked (poll passes over negative descriptors) until set() is called for it
 * again.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kernel-posix.h"
#include "memory.h"

struct poll {
	struct pollfd *slot;
	nfds_t count, room, next;
	nfds_t *index; /* by descriptor: its slot and 1; 0 is not registered */
	size_t fds;    /* the length of index */
};

static void *poll_open(void)
{
	return bufev_memory_zeroed(sizeof(struct poll));
}

static void poll_end(void *p)
{
	struct poll *self = p;

	bufev_memory_free(self->slot);
	bufev_memory_free(self->index);
	bufev_memory_free(self);
}

static int poll_fork(void *p)
{
	struct poll *self = p;

	self->count = self->next = 0;
	if (self->fds > 0)
		memset(self->index, 0, self->fds * sizeof(*self->index));
	return 0;
}

static size_t larger(size_t size, size_t needed)
{
	size = size ? size : 16;
	while (size < needed)
		size *= 2;
	return size;
}

/* Room for one more slot, and an index that reaches to fd. */
static int reserve(struct poll *self, int fd)
{
	size_t fds = larger(self->fds, (size_t)fd + 1);
	size_t room = larger(self->room, self->count + 1);
	void *p;

	if (fds > self->fds) {
		p = bufev_memory_resize(self->index,
					fds * sizeof(*self->index));
		if (!p)
			return -ENOMEM;
		self->index = p;
		memset(self->index + self->fds, 0,
		       (fds - self->fds) * sizeof(*self->index));
		self->fds = fds;
	}
	if (room > self->room) {
		p = bufev_memory_resize(self->slot, room * sizeof(*self->slot));
		if (!p)
			return -ENOMEM;
		self->slot = p;
		self->room = (nfds_t)room;
	}
	return 0;
}

static bool is_masked(const struct pollfd *slot)
{
	return slot->fd < 0;
}

static int descriptor(const struct pollfd *slot)
{
	return is_masked(slot) ? ~slot->fd : slot->fd;
}

static void put(struct poll *self, nfds_t at, struct pollfd slot)
{
	self->slot[at] = slot;
	self->index[descriptor(&slot)] = at + 1;
}

static void append(struct poll *self, struct pollfd slot)
{
	if (self->next < self->count)
		put(self, self->count, self->slot[self->next]);
	put(self, self->next, slot);
	self->next++;
	self->count++;
}

static void forget(struct poll *self, nfds_t hole)
{
	self->index[descriptor(&self->slot[hole])] = 0;
	self->count--;
	if (hole < self->next) {
		self->next--;
		if (hole != self->next)
			put(self, hole, self->slot[self->next]);
		hole = self->next;
	}
	if (hole != self->count)
		put(self, hole, self->slot[self->count]);
}

/* Also what is open without being readable or writable is no descriptor. */
static bool is_bad(int fd)
{
	struct pollfd p = { .fd = fd };

	return fd < 0 || (poll(&p, 1, 0) > 0 && (p.revents & POLLNVAL));
}

static int poll_set(void *p, int fd, unsigned was, unsigned wanted)
{
	struct poll *self = p;
	struct pollfd new = { .fd = fd }, *old = NULL;
	int error;

	(void)was;
	if (fd >= 0 && (size_t)fd < self->fds && self->index[fd] != 0)
		old = &self->slot[self->index[fd] - 1];
	if (wanted == 0) {
		if (old)
			forget(self, self->index[fd] - 1);
		return 0;
	}
	if (wanted & KERNEL_READ)
		new.events |= POLLIN;
	if (wanted & KERNEL_WRITE)
		new.events |= POLLOUT;
	if (old && !is_masked(old)) {
		*old = new;
		return 0;
	}
	if (is_bad(fd))
		return -EBADF;
	if (old) {
		*old = new;
		return 0;
	}
	error = reserve(self, fd);
	if (error < 0)
		return error;
	append(self, new);
	return 0;
}

/* Hang-up and error are for all that was wanted; false: nothing to report. */
static bool report(struct pollfd *slot, struct kernel_event *event)
{
	event->fd = slot->fd;
	event->events = 0;
	if (slot->revents & POLLNVAL) {
		slot->fd = ~slot->fd;
		return false;
	}
	if (slot->revents & (POLLHUP | POLLERR)) {
		event->events = KERNEL_LOSS;
		slot->revents |= slot->events;
	}
	if (slot->revents & POLLIN)
		event->events |= KERNEL_READ;
	if (slot->revents & POLLOUT)
		event->events |= KERNEL_WRITE;
	return event->events != 0;
}

static int poll_wait(void *p, struct kernel_event *events, int timeout_ms)
{
	struct poll *self = p;
	int left = poll(self->slot, self->count, timeout_ms), n = 0;
	nfds_t at = self->next;

	if (left < 0)
		return errno == EINTR ? 0 : -errno;
	for (; left > 0 && n < KERNEL_BATCH; at++) {
		if (at == self->count)
			at = 0;
		if (self->slot[at].revents == 0)
			continue;
		left--;
		if (report(&self->slot[at], &events[n]))
			n++;
	}
	self->next = at;
	return n;
}

const struct kernel bufev_kernel_poll = {
	.name = "poll",
	.open = poll_open,
	.close = poll_end,
	.fork = poll_fork,
	.set = poll_set,
	.wait = poll_wait,
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
