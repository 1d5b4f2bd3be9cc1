/* SPDX-License-Identifier: MIT */

/*
 * Faults inside an io_uring.  What the library shares with the kernel it shares
 * with us, too: the addresses of a ring are noted as it is mapped.  Before the
 * operations are submitted, one that is to fail becomes one that does nothing,
 * and its length is changed in one that is to be cut short; when they have
 * ended, the errno is written over the result of the first kind.
 *
 * A submission may also fail as a whole, or take fewer than it was given.
 */

#include <errno.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"
#include "wrapped.h"

enum { RINGS = 8, MOST = 64 };

static struct ring {
	bool open;
	int fd;
	struct io_uring_params p;
	char *rings;
	struct io_uring_sqe *sqe;
} rings[RINGS];

/* Of the submission that is being made: who failed with what. */
static struct {
	uint64_t id;
	int error;
} failed[MOST];
static unsigned failures;

/* A cut operation has a message of its own: the library looks at its pieces. */
static struct {
	struct msghdr header;
	struct iovec v[2];
} message[MOST];

/* --- Which ring ---------------------------------------------------------- */

static struct ring *find_ring(int fd)
{
	for (int i = 0; i < RINGS; i++)
		if (rings[i].open && rings[i].fd == fd)
			return &rings[i];
	return NULL;
}

void calls_ring_opened(int fd, const struct io_uring_params *p)
{
	for (int i = 0; i < RINGS; i++) {
		if (rings[i].open)
			continue;
		rings[i] = (struct ring){ .open = true, .fd = fd, .p = *p };
		return;
	}
}

void calls_ring_mapped(int fd, int64_t offset, void *at)
{
	struct ring *r = find_ring(fd);

	if (r && offset == IORING_OFF_SQ_RING)
		r->rings = at;
	if (r && offset == (int64_t)IORING_OFF_SQES)
		r->sqe = at;
}

void calls_ring_closed(int fd)
{
	struct ring *r = find_ring(fd);

	if (r)
		r->open = false;
}

static unsigned *part(const struct ring *r, unsigned offset)
{
	return (unsigned *)(void *)(r->rings + offset);
}

/* --- Operations ---------------------------------------------------------- */

static void cut_message(struct io_uring_sqe *sqe, unsigned i)
{
	const struct msghdr *m = (const struct msghdr *)(uintptr_t)sqe->addr;
	size_t n = m->msg_iov[0].iov_len + m->msg_iov[1].iov_len;
	size_t first = m->msg_iov[0].iov_len, rest = calls_cut(n);

	message[i].header = *m;
	message[i].header.msg_iov = message[i].v;
	memcpy(message[i].v, m->msg_iov, sizeof(message[i].v));
	message[i].v[0].iov_len = first < rest ? first : rest;
	message[i].v[1].iov_len = rest - message[i].v[0].iov_len;
	sqe->addr = (uintptr_t)&message[i].header;
}

static void spoil(struct io_uring_sqe *sqe, unsigned i)
{
	bool receives = sqe->opcode == IORING_OP_RECV ||
			sqe->opcode == IORING_OP_RECVMSG;
	uint64_t id = sqe->user_data;
	int error = calls_take(receives ? CALL_URING_RECEIVE : CALL_URING_SEND);

	if (error != 0) {
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_NOP;
		sqe->user_data = id;
		failed[failures].id = id;
		failed[failures++].error = error;
	} else if (sqe->opcode == IORING_OP_RECVMSG ||
		   sqe->opcode == IORING_OP_SENDMSG) {
		cut_message(sqe, i);
	} else {
		sqe->len = (unsigned)calls_cut(sqe->len);
	}
}

/* Those that the library has filled in, and that the kernel is to take now. */
static void spoil_all(const struct ring *r, unsigned n)
{
	unsigned mask = *part(r, r->p.sq_off.ring_mask);
	unsigned head = *part(r, r->p.sq_off.head);

	failures = 0;
	for (unsigned i = 0; i < n && i < MOST; i++)
		spoil(&r->sqe[(head + i) & mask], i);
}

static void write_results(const struct ring *r)
{
	unsigned mask = *part(r, r->p.cq_off.ring_mask);
	unsigned head = *part(r, r->p.cq_off.head);
	unsigned tail = *part(r, r->p.cq_off.tail);
	struct io_uring_cqe *cqe =
		(struct io_uring_cqe *)(void *)part(r, r->p.cq_off.cqes);

	for (; head != tail; head++)
		for (unsigned i = 0; i < failures; i++)
			if (cqe[head & mask].user_data == failed[i].id)
				cqe[head & mask].res = -failed[i].error;
}

/* --- Calls --------------------------------------------------------------- */

static long set_up(unsigned entries, struct io_uring_params *p)
{
	long fd;

	if (calls_refuse(CALL_URING_SETUP))
		return -1;
	fd = syscall(__NR_io_uring_setup, entries, p);
	if (fd >= 0)
		calls_ring_opened((int)fd, p);
	return fd;
}

static long enter(int fd, unsigned submit, unsigned wait, unsigned flags)
{
	const struct ring *r = find_ring(fd);
	long n;

	if (calls_refuse(CALL_URING_ENTER))
		return -1;
	submit = (unsigned)calls_cut(submit);
	if (r)
		spoil_all(r, submit);
	n = syscall(__NR_io_uring_enter, fd, submit, wait, flags, NULL, 0);
	if (r)
		write_results(r);
	return n;
}

long __wrap_syscall(long number, ...)
{
	va_list list;
	struct io_uring_params *p;
	unsigned a, b, c;
	int fd;
	long result = -1;

	va_start(list, number);
	switch (number) {
	case __NR_io_uring_setup:
		a = va_arg(list, unsigned);
		p = va_arg(list, struct io_uring_params *);
		result = set_up(a, p);
		break;
	case __NR_io_uring_enter:
		fd = va_arg(list, int);
		a = va_arg(list, unsigned);
		b = va_arg(list, unsigned);
		c = va_arg(list, unsigned);
		result = enter(fd, a, b, c);
		break;
	default:
		errno = ENOSYS;
	}
	va_end(list);
	return result;
}
