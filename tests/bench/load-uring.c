/* SPDX-License-Identifier: MIT */
/*
 * The batching engine of the load generator, on the bare io_uring calls.
 *
 * A round is one enter: it submits a send for each connection whose batch came
 * back, and waits until an eighth of the connections have news, so that it
 * sleeps where the server is busy rather than waking for each message, and
 * "own_cpu" tells how much it could still do.  Receiving is armed once
 * a connection and goes on by itself (multishot, kernel 6.0), so an echo costs
 * the generator one submission and one completion.  The kernel takes a buffer
 * for each receive from a ring of them that we refill; as nobody looks at the
 * bytes, all of them are the same memory, and MSG_TRUNC saves even the copy.
 * A send may stay in flight until the server makes room; there is at most one
 * a connection, since the next batch begins only when the last has come back.
 */

#include "load.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SUBMISSIONS = 2048, COMPLETIONS = 32768, LENT = 4096 };

enum kind { RECEIVE, SEND };

struct uring {
	int fd;
	unsigned patience; /* completions worth waking for */
	unsigned *sq_tail, sq_mask, sq_entries;
	unsigned tail, submitted; /* ours: filled, and given over */
	struct io_uring_sqe *sqes;
	unsigned *cq_head, *cq_tail, cq_mask;
	struct io_uring_cqe *cqes;
};

struct engine {
	struct load *load;
	struct uring uring;
	uint64_t now;
	int *due, dues; /* peers to send to */
	size_t *sent;	/* bytes of the batch that went out */
	char *scratch;	/* where all receives go */
	struct io_uring_buf_ring *lent;
	uint16_t lent_tail;
};

static int map_rings(struct uring *u, const struct io_uring_params *p)
{
	size_t size = p->cq_off.cqes + p->cq_entries * sizeof(*u->cqes);
	size_t array = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	unsigned *index, i;
	char *rings;
	void *sqes;

	size = size > array ? size : array;
	rings = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -1;
	sqes = mmap(NULL, p->sq_entries * sizeof(*u->sqes),
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		    IORING_OFF_SQES);
	if (sqes == MAP_FAILED)
		return -1;
	u->sqes = sqes;
	u->sq_tail = (void *)(rings + p->sq_off.tail);
	u->sq_mask = p->sq_entries - 1;
	u->sq_entries = p->sq_entries;
	u->cq_head = (void *)(rings + p->cq_off.head);
	u->cq_tail = (void *)(rings + p->cq_off.tail);
	u->cq_mask = p->cq_entries - 1;
	u->cqes = (void *)(rings + p->cq_off.cqes);
	/* Submissions are taken in order, so the indirection never changes. */
	index = (void *)(rings + p->sq_off.array);
	for (i = 0; i < p->sq_entries; i++)
		index[i] = i;
	return 0;
}

static int open_uring(struct uring *u)
{
	/* The second serves kernels before 6.1. */
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0
	};
	struct io_uring_params p;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		memset(&p, 0, sizeof(p));
		p.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
		p.cq_entries = COMPLETIONS;
		u->fd = (int)syscall(__NR_io_uring_setup, SUBMISSIONS, &p);
		if (u->fd >= 0 || errno != EINVAL)
			break;
	}
	if (u->fd < 0)
		return -1;
	if (p.features & IORING_FEAT_SINGLE_MMAP &&
	    p.features & IORING_FEAT_CQE_SKIP && map_rings(u, &p) == 0)
		return 0;
	close(u->fd);
	errno = ENOSYS;
	return -1;
}

static void enter(struct uring *u, bool wait)
{
	unsigned flags = wait ? IORING_ENTER_GETEVENTS : 0;
	long n;

	__atomic_store_n(u->sq_tail, u->tail, __ATOMIC_RELEASE);
	n = syscall(__NR_io_uring_enter, u->fd, u->tail - u->submitted,
		    wait ? u->patience : 0u, flags, NULL, 0);
	if (n >= 0)
		u->submitted += (unsigned)n;
	else if (errno != EINTR && errno != EBUSY && errno != EAGAIN)
		load_fail("io_uring_enter", errno);
}

static struct io_uring_sqe *claim(struct engine *e, enum kind kind, int i)
{
	struct uring *u = &e->uring;
	struct io_uring_sqe *sqe;

	while (u->tail - u->submitted >= u->sq_entries)
		enter(u, false);
	sqe = &u->sqes[u->tail++ & u->sq_mask];
	memset(sqe, 0, sizeof(*sqe));
	sqe->fd = i;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = (uint64_t)kind << 32 | (unsigned)i;
	return sqe;
}

static void arm(struct engine *e, int i)
{
	struct io_uring_sqe *sqe = claim(e, RECEIVE, i);

	sqe->opcode = IORING_OP_RECV;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->msg_flags = MSG_TRUNC;
}

static void send_rest(struct engine *e, int i)
{
	struct io_uring_sqe *sqe = claim(e, SEND, i);

	sqe->opcode = IORING_OP_SEND;
	/* A send that took all is not reported, a short one is. */
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->addr = (uint64_t)(uintptr_t)(e->load->out + e->sent[i]);
	sqe->len = (unsigned)(e->load->batch - e->sent[i]);
	sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
}

static void lend(struct engine *e, uint16_t id)
{
	struct io_uring_buf *buf = &e->lent->bufs[e->lent_tail & (LENT - 1)];

	buf->addr = (uint64_t)(uintptr_t)e->scratch;
	buf->len = LOAD_TAKE;
	buf->bid = id;
	e->lent_tail++;
	__atomic_store_n(&e->lent->tail, e->lent_tail, __ATOMIC_RELEASE);
}

static void received(struct engine *e, int i, const struct io_uring_cqe *cqe)
{
	int next = -1;

	if (cqe->res <= 0 && cqe->res != -ENOBUFS)
		load_fail("receive", cqe->res < 0 ? -cqe->res : EPIPE);
	if (cqe->flags & IORING_CQE_F_BUFFER)
		lend(e, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
	if (cqe->res > 0)
		next = load_took(e->load, i, (size_t)cqe->res, e->now);
	if (next >= 0)
		e->due[e->dues++] = next;
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm(e, i);
}

static void sent(struct engine *e, int i, int n)
{
	if (n < 0)
		load_fail("send", -n);
	e->sent[i] += (size_t)n;
	if (e->sent[i] < e->load->batch)
		send_rest(e, i);
}

static void reap(struct engine *e)
{
	struct uring *u = &e->uring;
	unsigned head = *u->cq_head;
	unsigned tail = __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++) {
		struct io_uring_cqe cqe = u->cqes[head & u->cq_mask];
		int i = (int)(cqe.user_data & 0xffffffff);

		if (cqe.user_data >> 32 == RECEIVE)
			received(e, i, &cqe);
		else
			sent(e, i, cqe.res);
	}
	__atomic_store_n(u->cq_head, head, __ATOMIC_RELEASE);
}

static void round_of(struct engine *e)
{
	int k, n = e->dues;

	e->dues = 0;
	for (k = 0; k < n; k++) {
		e->load->peers[e->due[k]].began = e->now;
		e->sent[e->due[k]] = 0;
		send_rest(e, e->due[k]);
	}
	e->uring.patience = load_patience(e->load);
	enter(&e->uring, true);
	e->now = load_now();
	reap(e);
}

/* Lends LENT buffers to the kernel. */
static int register_buffers(struct engine *e)
{
	size_t size = LENT * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg reg = { .ring_entries = LENT };
	void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return -1;
	e->lent = ring;
	reg.ring_addr = (uint64_t)(uintptr_t)ring;
	if (syscall(__NR_io_uring_register, e->uring.fd,
		    IORING_REGISTER_PBUF_RING, &reg, 1) < 0)
		return -1;
	for (uint16_t id = 0; id < LENT; id++)
		lend(e, id);
	return 0;
}

static int register_files(struct engine *e)
{
	unsigned n = (unsigned)e->load->conns;

	/* `due` is large enough and not in use yet. */
	for (unsigned i = 0; i < n; i++)
		e->due[i] = e->load->peers[i].fd;
	return (int)syscall(__NR_io_uring_register, e->uring.fd,
			    IORING_REGISTER_FILES, e->due, n);
}

int load_by_uring(struct load *load)
{
	size_t n = (size_t)load->conns;
	struct engine e = { .load = load, .now = load_now() };

	e.due = calloc(n, sizeof(*e.due));
	e.sent = calloc(n, sizeof(*e.sent));
	e.scratch = malloc(LOAD_TAKE);
	if (!e.due || !e.sent || !e.scratch)
		load_fail("memory", ENOMEM);
	if (open_uring(&e.uring) < 0 || register_files(&e) < 0 ||
	    register_buffers(&e) < 0)
		return -1;
	load->engine = "io_uring";
	for (int i = 0; i < load->conns; i++)
		arm(&e, i);
	e.dues = load_first(load, e.due, e.now);
	while (load_goes_on(load, e.now))
		round_of(&e);
	return 0;
}
