/* SPDX-License-Identifier: MIT */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H

/*
 * kernel: all that the library asks of the operating system for a descriptor
 * or for time, as one table.  Each backend is a table; so is a kernel for
 * tests.  `self` is what open() returned.  Where a result is an int, it is 0
 * or more, or a negative errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What is asked of wait() for a descriptor, and what it says. */
enum {
	KERNEL_READ = 0x02,  /* EV_READ */
	KERNEL_WRITE = 0x04, /* EV_WRITE */
	KERNEL_LOSS = 0x10   /* hang-up or error; said also where not asked */
};

/* The most descriptors that one wait() reports. */
enum { KERNEL_BATCH = 64 };

struct kernel_event {
	int fd;
	unsigned events;
};

/* One non-blocking move of bytes. */
struct transfer {
	int fd;
	bool write,
		socket; /* socket: recv and send allowed; cleared at ENOTSOCK */
	unsigned pieces;   /* 1 or 2 */
	struct iovec v[2]; /* lent to the kernel only during transfer() */
	ssize_t done;	   /* bytes, 0 = end of file, or -errno */
};

/* What adopt() found out about a descriptor. */
struct kernel_fd {
	bool socket;	   /* a stream socket */
	bool writable;	   /* open for writing */
	bool was_blocking; /* O_NONBLOCK was not set, and now is */
};

struct kernel {
	const char *name;

	/* Its descriptors are none of the system's, and end with it. */
	bool own_fds;

	/* May it be tried where nobody asked for it?  NULL: yes. */
	bool (*by_default)(void);

	/* NULL with errno where it does not work here. */
	void *(*open)(void);
	void (*close)(void *self);
	/* In the child: forget the parent's registrations without a trace. */
	int (*fork)(void *self);

	/*
	 * Changes what is wanted of fd from `was` to `wanted` (KERNEL_* bits; 0
	 * is not registered).  -EPERM: always ready, cannot be registered.
	 */
	int (*set)(void *self, int fd, unsigned was, unsigned wanted);

	/* Level-triggered; up to KERNEL_BATCH events; timeout_ms -1 waits. */
	int (*wait)(void *self, struct kernel_event *, int timeout_ms);

	/* What is readable when wait() has something to say.  NULL: none. */
	int (*pollable)(void *self);

	/* Nanoseconds, monotonic. */
	uint64_t (*now)(void *self);

	/* Do these n now: never blocks, keeps no pointer, sets every done. */
	void (*transfer)(void *self, struct transfer *, unsigned n);

	/* Looks at fd and makes it non-blocking; -EINVAL: a message socket. */
	int (*adopt)(void *self, int fd, struct kernel_fd *);
	/* Blocking again. */
	void (*restore)(void *self, int fd);
	void (*close_fd)(void *self, int fd);

	/* A new descriptor, non-blocking and close-on-exec. */
	int (*listen)(void *self, const struct sockaddr *, socklen_t,
		      unsigned flags);
	/* -ECONNABORTED: this one is lost, there may be others. */
	int (*accept)(void *self, int fd, struct sockaddr *, socklen_t *);
	/* *outcome: 0 connected, EINPROGRESS, or the errno of a refusal. */
	int (*connect)(void *self, const struct sockaddr *, socklen_t,
		       int *outcome);
	/* How a connect ended: 0, or why not; -ENOTCONN: it did not. */
	int (*connected)(void *self, int fd);
	/* Takes SO_ERROR: 0 or a positive errno. */
	int (*error)(void *self, int fd);
	int (*shutdown)(void *self, int fd);
	/* May a socket have sent what its peer has not acknowledged? */
	bool (*undelivered)(void *self, int fd);
};

/*
 * The backends that are compiled in, best first, NULL at the end; its own
 * file, made up by meson.
 */
extern const struct kernel *const bufev_kernels[];

extern const struct kernel bufev_kernel_epoll;
extern const struct kernel bufev_kernel_kqueue;
extern const struct kernel bufev_kernel_poll;
extern const struct kernel bufev_kernel_uring;

#endif
