/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

/*
 * calls: what the library asks of the C library and of the system, and what
 * may go wrong with it.
 *
 * The library that the sweeps are linked with has been linked before, by itself
 * (see meson.build), so that each of these calls leads to a function here.  It
 * counts the call, fails it with the errno that was arranged, or cuts it short,
 * and else passes it on.  What the tests call, they call directly.
 *
 * Time stands still, save that a wait that finds nothing takes as long as it
 * was asked to: seconds of timeouts pass in no time.  A wait without end that
 * finds nothing would be the end of the test: it is reported as `stalled`.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cut.h"

enum call {
	CALL_ACCEPT,
	CALL_BIND,
	CALL_CLOSE,
	CALL_CONNECT,
	CALL_FCNTL,
	CALL_FSTAT,
	CALL_GETPEERNAME,
	CALL_GETSOCKOPT,
	CALL_IOCTL,
	CALL_LISTEN,
	CALL_SETSOCKOPT,
	CALL_SHUTDOWN,
	CALL_SOCKET,
	CALL_SOCKETPAIR,

	CALL_READ,
	CALL_READV,
	CALL_RECV,
	CALL_RECVMSG,
	CALL_SEND,
	CALL_SENDMSG,
	CALL_WRITE,
	CALL_WRITEV,

	CALL_EPOLL_CREATE,
	CALL_EPOLL_CTL,
	CALL_EPOLL_WAIT,
	CALL_EVENTFD,
	CALL_KEVENT,
	CALL_KQUEUE,
	CALL_POLL,

	CALL_MMAP,
	CALL_MUNMAP,
	CALL_URING_ENTER,
	CALL_URING_SETUP,
	CALL_URING_RECEIVE, /* an operation, not a call */
	CALL_URING_SEND,

	CALL_FGETS,
	CALL_FOPEN,
	CALL_KEY_CREATE,
	CALL_MALLOC,
	CALL_SETSPECIFIC,
	CALL_SIGACTION,
	CALL_VSNPRINTF,
	CALLS
};

struct call_kind {
	const char *name;
	const int *errors; /* what its manual page lists, 0 at the end */
	bool moves;	   /* bytes, or a number of things: may move fewer */
};

extern const struct call_kind call_kinds[CALLS];

/* What is to fail: calls from the nth on, so many of them. */
struct call_fault {
	enum call call;
	unsigned nth, times;
	int error; /* or, where that is 0: */
	enum cut cut;
};

struct calls {
	unsigned made[CALLS]; /* since calls_arm() */
	unsigned failed;      /* so often the fault came about */
	long mapped;	      /* mappings that are there */
	uint64_t clock;	      /* ns: the time */
	int patience_ms;      /* a wait that may be asleep, sleeps so long */
	bool no_descriptors;  /* for what is accepted: EMFILE */
	void (*stalled)(void);
};

extern struct calls calls;

/* Between these two, time stands still and calls are counted. */
void calls_begin(void);
void calls_end(void);

/* From here on this is to fail; NULL: nothing. */
void calls_arm(const struct call_fault *);

/* --- For the two files of wrappers --------------------------------------- */

/*
 * Counts the call; the errno that it is to fail with, or 0.  Then calls_cut()
 * tells how many of n bytes it may move.
 */
int calls_take(enum call);
size_t calls_cut(size_t n);

/* True, with errno, where the call is to fail. */
bool calls_refuse(enum call);

/* A new ring, and where it was mapped; what is at `fd` now is no ring. */
struct io_uring_params;
void calls_ring_opened(int fd, const struct io_uring_params *);
void calls_ring_mapped(int fd, int64_t offset, void *);
void calls_ring_closed(int fd);

#endif
