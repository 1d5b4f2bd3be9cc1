/* SPDX-License-Identifier: MIT */

/*
 * The backend "uring": epoll says what is ready, and all reads or all writes
 * of a turn go to the kernel in one io_uring_enter(2).
 *
 * Nothing is ever in flight.  Each operation is a recv or send that must not
 * wait (MSG_DONTWAIT), so it has ended when the call returns; buffers are lent
 * for the call only, and there is nothing to cancel.
 *
 * A batch pays from three operations on; smaller ones, and descriptors that
 * are no sockets, take the plain calls.  The ring is opened at the first batch
 * that pays.  If it cannot be opened, or fails later, the plain calls serve
 * from then on: what the ring did not take is done by them, and no operation
 * is done twice.
 *
 * The ring is a plain one.  With SINGLE_ISSUER it would be no faster and a
 * reactor could not move to another thread; with registered files close(2)
 * would not close, as the ring holds a reference.  In two pieces RECVMSG and
 * SENDMSG are a few per cent dearer than the first piece alone, which costs
 * as much again where the bytes reach into the second.
 */

#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-posix.h"
#include "memory.h"

enum { WORTH_A_BATCH = 3 };

/* What the kernel and we share. */
struct ring_memory {
	void *rings, *sqes;
	size_t rings_size, sqes_size;
	unsigned *sq_tail, sq_mask, entries;
	unsigned *cq_head, *cq_tail, cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
};

struct uring {
	void *epoll;
	int fd; /* of the ring; -1: not open */
	bool failed;
	struct ring_memory m;
	struct msghdr message[KERNEL_BATCH];
};

/* --- The ring ------------------------------------------------------------ */

static void unmap(struct ring_memory *m)
{
	if (m->rings)
		munmap(m->rings, m->rings_size);
	if (m->sqes)
		munmap(m->sqes, m->sqes_size);
	memset(m, 0, sizeof(*m));
}

static void *map(int fd, size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static bool map_rings(struct ring_memory *m, int fd,
		      const struct io_uring_params *p)
{
	size_t sq_end = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_end =
		p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	m->rings_size = sq_end > cq_end ? sq_end : cq_end;
	m->sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	m->rings = map(fd, m->rings_size, IORING_OFF_SQ_RING);
	m->sqes = map(fd, m->sqes_size, IORING_OFF_SQES);
	return m->rings && m->sqes;
}

static void *part(const struct ring_memory *m, unsigned offset)
{
	return (char *)m->rings + offset;
}

static void find_parts(struct ring_memory *m, const struct io_uring_params *p)
{
	unsigned *array = part(m, p->sq_off.array);

	m->entries = p->sq_entries;
	m->sq_tail = part(m, p->sq_off.tail);
	m->sq_mask = *(unsigned *)part(m, p->sq_off.ring_mask);
	m->cq_head = part(m, p->cq_off.head);
	m->cq_tail = part(m, p->cq_off.tail);
	m->cq_mask = *(unsigned *)part(m, p->cq_off.ring_mask);
	m->cqe = part(m, p->cq_off.cqes);
	m->sqe = m->sqes;
	for (unsigned i = 0; i < m->entries; i++)
		array[i] = i;
}

static void close_ring(struct uring *u)
{
	unmap(&u->m);
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

/* 0, or the errno of what is missing. */
static int open_ring(struct uring *u)
{
	struct io_uring_params p;
	int error = ENOTSUP;

	memset(&p, 0, sizeof(p));
	u->fd = (int)syscall(__NR_io_uring_setup, KERNEL_BATCH, &p);
	if (u->fd < 0)
		return errno;
	if (p.features & IORING_FEAT_SINGLE_MMAP) {
		if (map_rings(&u->m, u->fd, &p)) {
			find_parts(&u->m, &p);
			return 0;
		}
		error = errno;
	}
	close_ring(u);
	return error;
}

static int enter(const struct uring *u, unsigned submit, unsigned wait)
{
	long n;

	do {
		n = syscall(__NR_io_uring_enter, u->fd, submit, wait,
			    wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	} while (n < 0 && errno == EINTR);
	return (int)n;
}

/* --- Operations ---------------------------------------------------------- */

static void fill(struct io_uring_sqe *sqe, struct msghdr *m, struct transfer *t,
		 unsigned id)
{
	size_t length = t->v[0].iov_len;

	memset(sqe, 0, sizeof(*sqe));
	sqe->fd = t->fd;
	sqe->user_data = id;
	sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	if (t->pieces == 1) {
		sqe->opcode = t->write ? IORING_OP_SEND : IORING_OP_RECV;
		sqe->addr = (uintptr_t)t->v[0].iov_base;
		sqe->len = length < INT32_MAX ? (unsigned)length : INT32_MAX;
		return;
	}
	memset(m, 0, sizeof(*m));
	m->msg_iov = t->v;
	m->msg_iovlen = 2;
	sqe->opcode = t->write ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
	sqe->addr = (uintptr_t)m;
	sqe->len = 1;
}

/* How many operations have ended; the result of each goes to its transfer. */
static unsigned reap(struct ring_memory *m, struct transfer *t)
{
	unsigned head = *m->cq_head;
	unsigned tail = __atomic_load_n(m->cq_tail, __ATOMIC_ACQUIRE);
	unsigned n = tail - head;

	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe = &m->cqe[head & m->cq_mask];

		t[cqe->user_data].done = cqe->res;
	}
	__atomic_store_n(m->cq_head, tail, __ATOMIC_RELEASE);
	return n;
}

static const ssize_t UNDONE = -EINTR;

/*
 * Submits what was filled in and sees that it has ended.  False: the ring is
 * not to be used again; what it did not take is still UNDONE.
 */
static bool submit(struct uring *u, struct transfer *t, unsigned n)
{
	unsigned taken = 0, ended;
	int more;

	/* Some kernels stop at an operation that fails. */
	do {
		more = enter(u, n - taken, 0);
		taken += more > 0 ? (unsigned)more : 0;
	} while (more > 0 && taken < n);
	/*
	 * What was taken may not be done again, nor given up while the kernel
	 * has its buffer; it ends by itself even where we may not wait.
	 */
	for (ended = reap(&u->m, t); ended < taken; ended += reap(&u->m, t))
		enter(u, 0, 1);
	return taken == n;
}

/* Up to as many operations as the ring has entries. */
static void transfer_batch(struct uring *u, struct transfer *t, unsigned n)
{
	struct ring_memory *m = &u->m;
	unsigned tail = *m->sq_tail, count = 0;

	for (unsigned i = 0; i < n; i++) {
		t[i].done = UNDONE;
		if (!t[i].socket)
			continue;
		fill(&m->sqe[tail++ & m->sq_mask], &u->message[i], &t[i], i);
		count++;
	}
	__atomic_store_n(m->sq_tail, tail, __ATOMIC_RELEASE);
	if (count > 0 && !submit(u, t, count))
		u->failed = true;
	for (unsigned i = 0; i < n; i++)
		if (t[i].done == UNDONE || t[i].done == -ENOTSOCK)
			bufev_posix_transfer(NULL, &t[i], 1);
}

static void uring_transfer(void *p, struct transfer *t, unsigned n)
{
	struct uring *u = p;
	unsigned most;

	while (n >= WORTH_A_BATCH && !u->failed) {
		if (u->fd < 0 && open_ring(u) != 0) {
			u->failed = true;
			break;
		}
		most = u->m.entries < KERNEL_BATCH ? u->m.entries :
						     KERNEL_BATCH;
		if (n < most)
			most = n;
		transfer_batch(u, t, most);
		t += most;
		n -= most;
	}
	bufev_posix_transfer(NULL, t, n);
}

/* --- Whether it works here ----------------------------------------------- */

/*
 * By behaviour, not by version: a receive on an empty socket must end at once,
 * with EAGAIN.  0, or the errno of what is missing.
 */
static int try_ring(struct uring *u)
{
	struct transfer t = { .socket = true, .pieces = 1, .done = UNDONE };
	char byte;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return errno;
	t.fd = fd[0];
	t.v[0].iov_base = &byte;
	t.v[0].iov_len = 1;
	fill(&u->m.sqe[0], &u->message[0], &t, 0);
	__atomic_store_n(u->m.sq_tail, 1, __ATOMIC_RELEASE);
	if (enter(u, 1, 0) == 1)
		reap(&u->m, &t);
	close(fd[0]);
	close(fd[1]);
	return t.done == -EAGAIN ? 0 : ENOTSUP;
}

/*
 * 0, ENOTSUP, or the errno of a want that may pass.  The answer holds for the
 * process; threads that ask at once get the same one.  A ring that was tried
 * is kept: closing one makes the thread's next epoll_wait(2) fail with EINTR.
 */
static int probe(struct uring *u)
{
	static int answer = -1;
	int error = __atomic_load_n(&answer, __ATOMIC_RELAXED);

	if (error >= 0)
		return error;
	error = open_ring(u);
	if (error == 0)
		error = try_ring(u);
	if (error != 0)
		close_ring(u);
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		return error;
	error = error ? ENOTSUP : 0;
	__atomic_store_n(&answer, error, __ATOMIC_RELAXED);
	return error;
}

/*
 * A strict filter may kill the process for asking, so nobody asks by default
 * where one is in force, or where that cannot be seen.  Filters are a thread's
 * own, and one may have come since the last reactor: look each time.
 */
static bool uring_by_default(void)
{
	FILE *status = fopen("/proc/thread-self/status", "re");
	char line[256];
	bool is_unfiltered = false;

	if (!status)
		return false;
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "Seccomp:", 8) == 0)
			is_unfiltered = strcmp(line + 8, "\t0\n") == 0;
	fclose(status);
	return is_unfiltered;
}

/* --- The table ----------------------------------------------------------- */

static void *uring_open(void)
{
	struct uring *u = bufev_memory_zeroed(sizeof(*u));
	int error;

	if (!u)
		return NULL;
	u->fd = -1;
	error = probe(u);
	if (error == 0) {
		u->epoll = bufev_kernel_epoll.open();
		if (u->epoll)
			return u;
		error = errno;
		close_ring(u);
	}
	bufev_memory_free(u);
	errno = error;
	return NULL;
}

static void uring_close(void *p)
{
	struct uring *u = p;

	close_ring(u);
	bufev_kernel_epoll.close(u->epoll);
	bufev_memory_free(u);
}

/* What the child submitted on this ring its parent would get. */
static int uring_fork(void *p)
{
	struct uring *u = p;

	close_ring(u);
	u->failed = false;
	return bufev_kernel_epoll.fork(u->epoll);
}

static int uring_set(void *p, int fd, unsigned was, unsigned wanted)
{
	const struct uring *u = p;

	return bufev_kernel_epoll.set(u->epoll, fd, was, wanted);
}

static int uring_wait(void *p, struct kernel_event *events, int timeout_ms)
{
	const struct uring *u = p;

	return bufev_kernel_epoll.wait(u->epoll, events, timeout_ms);
}

static int uring_pollable(void *p)
{
	const struct uring *u = p;

	return bufev_kernel_epoll.pollable(u->epoll);
}

const struct kernel bufev_kernel_uring = {
	.name = "uring",
	.by_default = uring_by_default,
	.open = uring_open,
	.close = uring_close,
	.fork = uring_fork,
	.set = uring_set,
	.wait = uring_wait,
	.pollable = uring_pollable,
	.now = bufev_posix_now,
	.transfer = uring_transfer,
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
