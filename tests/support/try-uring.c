/* SPDX-License-Identifier: MIT */

/* Exits with 0 where io_uring receives without waiting. */

#include <errno.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *map(int ring, size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		       offset);

	return p == MAP_FAILED ? NULL : p;
}

static int receive(int ring, const struct io_uring_params *p, int fd)
{
	size_t size =
		p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *rings = map(ring, size, IORING_OFF_CQ_RING), byte;
	struct io_uring_sqe *sqe =
		(void *)map(ring, sizeof(*sqe), IORING_OFF_SQES);
	const struct io_uring_cqe *cqe;

	if (!rings || !sqe)
		return 0;
	sqe->opcode = IORING_OP_RECV;
	sqe->fd = fd;
	sqe->msg_flags = MSG_DONTWAIT;
	sqe->addr = (uintptr_t)&byte;
	sqe->len = 1;
	*(unsigned *)(void *)(rings + p->sq_off.tail) = 1;
	if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		return 0;
	cqe = (void *)(rings + p->cq_off.cqes);
	return cqe->res;
}

int main(void)
{
	struct io_uring_params p;
	int ring, fd[2];

	memset(&p, 0, sizeof(p));
	ring = (int)syscall(SYS_io_uring_setup, 1, &p);
	if (ring < 0 || !(p.features & IORING_FEAT_SINGLE_MMAP) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	return receive(ring, &p, fd[0]) == -EAGAIN ? 0 : 1;
}
