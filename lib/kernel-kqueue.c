/* SPDX-License-Identifier: MIT */

/*
 * The backend "kqueue", for FreeBSD, macOS, NetBSD, OpenBSD and DragonFly.
 *
 * A descriptor may have two filters, one for each direction:
 *
 *	wanted          EVFILT_READ     EVFILT_WRITE
 *	READ            level
 *	WRITE                           level
 *	LOSS alone                      EV_CLEAR
 *
 * What an end of file (EV_EOF) means depends on the filter.  On the reading one
 * it is the peer's end of output, which is for read(2) to find; only with an
 * error beside it (in fflags) is it a loss.  On the writing one nothing can be
 * written any more: a loss.  Also our own shutdown(2) is reported so, which the
 * kernel does not tell from the peer's; who has shut down does not look for a
 * loss.  An unconditional filter for a loss does not exist (EVFILT_EXCEPT and
 * its like are not everywhere), so for LOSS alone the writing one is used, of
 * which only EV_EOF counts.  A healthy descriptor is writable nearly always,
 * and would be reported in every wait: hence EV_CLEAR, which reports it when it
 * is registered, and when something changes.
 *
 * Changes are submitted one at a time and at once, so that an error is known to
 * be this one's; EV_RECEIPT, which is not everywhere, is not needed for that.
 * To add a filter again does not change its EV_CLEAR: it is deleted first.
 *
 * What systems do differently, and what follows:
 * - Closing a descriptor deletes its filters (and so does, on some, the end of
 *   a connection), so that a deletion may find nothing: not an error.
 * - A pipe whose other end was closed cannot be added where that is EPIPE.  It
 *   is put on a list of our own and reported from there.
 * - A device that has no filter is ENODEV, EINVAL or EOPNOTSUPP: it never
 *   makes anybody wait, so it is always ready.  Regular files can be added, but
 *   are not readable at their end, where we want to read the end of file: they
 *   count as always ready, too.
 * - udata is a pointer or, on older NetBSD, an integer: we use neither.
 * - A filter is a short, and its flags an unsigned short; on NetBSD both have
 *   32 bits and no sign, and the counts of kevent() are sizes.
 */

#include <errno.h>
#include <fcntl.h>
/* Some systems want the types before the events. */
#include <sys/types.h>

#include <sys/event.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kernel-posix.h"
#include "memory.h"

typedef __typeof__(((struct kevent *)NULL)->filter) filter_type;
typedef __typeof__(((struct kevent *)NULL)->flags) flags_type;

struct kqueue {
	int fd;
	struct kernel_event *broken; /* what EPIPE kept out, and is wanted */
	unsigned count, room, next;  /* of broken; next is reported first */
};

/* The most of the broken that one wait reports: others are to have room. */
enum { BROKEN_BATCH = KERNEL_BATCH / 2 };

/* --- Life ---------------------------------------------------------------- */

static int new_queue(void)
{
	int fd = kqueue();

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void *kqueue_open(void)
{
	struct kqueue *self = bufev_memory_zeroed(sizeof(*self));

	if (!self)
		return NULL;
	self->fd = new_queue();
	if (self->fd < 0) {
		bufev_memory_free(self);
		return NULL;
	}
	return self;
}

static void kqueue_end(void *p)
{
	struct kqueue *self = p;

	if (self->fd >= 0)
		close(self->fd);
	bufev_memory_free(self->broken);
	bufev_memory_free(self);
}

/*
 * A child does not inherit the queue: the descriptor is closed there, and its
 * number may be that of another file by now.
 */
static int kqueue_fork(void *p)
{
	struct kqueue *self = p;

	self->count = 0;
	self->fd = new_queue();
	return self->fd < 0 ? -errno : 0;
}

/* --- The broken ---------------------------------------------------------- */

static int add_broken(struct kqueue *self, int fd, unsigned wanted)
{
	unsigned room = self->room ? self->room * 2 : 8;
	struct kernel_event *broken;

	if (self->count == self->room) {
		broken = bufev_memory_resize(self->broken,
					     room * sizeof(*broken));
		if (!broken)
			return -ENOMEM;
		self->broken = broken;
		self->room = room;
	}
	self->broken[self->count].fd = fd;
	self->broken[self->count].events = wanted | KERNEL_LOSS;
	self->count++;
	return 0;
}

/* As closing a descriptor deletes its filters. */
static void forget_closed(struct kqueue *self)
{
	for (unsigned i = self->count; i-- > 0;)
		if (fcntl(self->broken[i].fd, F_GETFD) < 0)
			self->broken[i] = self->broken[--self->count];
}

/* Was it there? */
static bool remove_broken(struct kqueue *self, int fd)
{
	for (unsigned i = 0; i < self->count; i++)
		if (self->broken[i].fd == fd) {
			self->broken[i] = self->broken[--self->count];
			return true;
		}
	return false;
}

/* --- Interest ------------------------------------------------------------ */

static flags_type read_flags(unsigned wanted)
{
	return wanted & KERNEL_READ ? EV_ADD : 0;
}

static flags_type write_flags(unsigned wanted)
{
	if (wanted & KERNEL_WRITE)
		return EV_ADD;
	return wanted == KERNEL_LOSS ? EV_ADD | EV_CLEAR : 0;
}

/* The manual pages say that with EINTR the change has been made. */
static int submit(const struct kqueue *self, int fd, filter_type filter,
		  flags_type flags)
{
	struct kevent change;

	EV_SET(&change, (uintptr_t)fd, filter, flags, 0, 0, 0);
	if (kevent(self->fd, &change, 1, NULL, 0, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int alter(const struct kqueue *self, int fd, filter_type filter,
		 flags_type was, flags_type flags)
{
	if (was == flags)
		return 0;
	if (was != 0)
		submit(self, fd, filter, EV_DELETE);
	return flags != 0 ? submit(self, fd, filter, flags) : 0;
}

/* Can this be waited for at all? */
static int examine(int fd)
{
	struct stat s;

	if (fstat(fd, &s) < 0)
		return -errno;
	return S_ISREG(s.st_mode) || S_ISDIR(s.st_mode) ? -EPERM : 0;
}

static int change(struct kqueue *self, int fd, unsigned was, unsigned wanted)
{
	int error, broken;

	error = alter(self, fd, EVFILT_READ, read_flags(was),
		      read_flags(wanted));
	broken = error == -EPIPE;
	if (error == 0 || broken)
		error = alter(self, fd, EVFILT_WRITE, write_flags(was),
			      write_flags(wanted));
	if (error == -EPIPE || (error == 0 && broken))
		error = add_broken(self, fd, wanted);
	if (error == -ENODEV || error == -EINVAL || error == -EOPNOTSUPP)
		error = -EPERM;
	return error;
}

static int kqueue_set(void *p, int fd, unsigned was, unsigned wanted)
{
	struct kqueue *self = p;
	int error = 0;

	if (was == 0 && wanted != 0)
		error = examine(fd);
	if (error < 0)
		return error;
	/* A filter that may be missing has to be added, not left alone. */
	if (remove_broken(self, fd)) {
		change(self, fd, was, 0);
		was = 0;
	}
	error = change(self, fd, was, wanted);
	if (error < 0)
		change(self, fd, wanted, was);
	return error;
}

/* --- Waiting ------------------------------------------------------------- */

/* Adds to what is reported of the descriptor: how many there are now. */
static int add(struct kernel_event *events, int n, int fd, unsigned bits)
{
	int i = 0;

	while (i < n && events[i].fd != fd)
		i++;
	if (i == n)
		events[n++] = (struct kernel_event){ .fd = fd };
	events[i].events |= bits;
	return n;
}

static unsigned write_bits(const struct kevent *e)
{
	unsigned bits = 0;

	if (!(e->flags & EV_CLEAR))
		bits |= KERNEL_WRITE;
	if (e->flags & EV_EOF)
		bits |= KERNEL_LOSS;
	return bits;
}

/*
 * Two filters of one descriptor become one event.  The reading ones come first,
 * as they need no search: there is but one of each descriptor.
 */
static int merge(struct kernel_event *events, const struct kevent *e, int from)
{
	int n = 0;

	for (int i = 0; i < from; i++) {
		if (e[i].filter != EVFILT_READ)
			continue;
		events[n].fd = (int)e[i].ident;
		events[n].events = KERNEL_READ;
		if ((e[i].flags & EV_EOF) && e[i].fflags != 0)
			events[n].events |= KERNEL_LOSS;
		n++;
	}
	for (int i = 0; i < from; i++) {
		if (e[i].filter != EVFILT_WRITE || write_bits(&e[i]) == 0)
			continue;
		n = add(events, n, (int)e[i].ident, write_bits(&e[i]));
	}
	return n;
}

/* Goes round, where they are too many for one wait. */
static int add_all_broken(struct kqueue *self, struct kernel_event *events,
			  int n, unsigned count)
{
	for (; count > 0; count--) {
		const struct kernel_event *b =
			&self->broken[self->next++ % self->count];

		n = add(events, n, b->fd, b->events);
	}
	return n;
}

static int kqueue_wait(void *p, struct kernel_event *events, int timeout_ms)
{
	struct kqueue *self = p;
	struct kevent e[KERNEL_BATCH];
	struct timespec t = { 0, 0 };
	unsigned broken;
	uint8_t room; /* for an int or a size_t */
	int n;

	forget_closed(self);
	broken = self->count < BROKEN_BATCH ? self->count : BROKEN_BATCH;
	if (broken == 0 && timeout_ms > 0) {
		t.tv_sec = timeout_ms / 1000;
		t.tv_nsec = timeout_ms % 1000 * 1000000L;
	}
	room = (uint8_t)(KERNEL_BATCH - broken);
	n = kevent(self->fd, NULL, 0, e, room,
		   broken == 0 && timeout_ms < 0 ? NULL : &t);
	if (n < 0 && errno != EINTR)
		return -errno;
	n = merge(events, e, n);
	return add_all_broken(self, events, n, broken);
}

const struct kernel bufev_kernel_kqueue = {
	.name = "kqueue",
	.open = kqueue_open,
	.close = kqueue_end,
	.fork = kqueue_fork,
	.set = kqueue_set,
	.wait = kqueue_wait,
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
