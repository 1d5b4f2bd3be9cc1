/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_ELSEWHERE_H
#define TESTS_SUPPORT_ELSEWHERE_H

/*
 * elsewhere: what the tests take for granted and macOS, or a system that is
 * POSIX.1-2008 and no more, has not.  tests/meson.build puts it before each
 * source file where pipe2() is missing.  The library needs none of it.
 *
 * The flags are bits that no type of socket uses, so that an expression with
 * them is still one for the compiler; the calls take them out again.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_CLOEXEC 0x10000000
#define SOCK_NONBLOCK 0x20000000

/* Half of a hang-up; it is readable, too. */
#ifndef POLLRDHUP
#define POLLRDHUP POLLIN
#endif

/* Where writes to sockets are kept quiet otherwise, so are those of tests. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static inline int elsewhere_set(int fd, int flags)
{
	if (fd >= 0 && (flags & SOCK_CLOEXEC))
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (fd >= 0 && (flags & SOCK_NONBLOCK))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static inline int elsewhere_type(int flags)
{
	return flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static inline int elsewhere_socket(int family, int type, int protocol)
{
	return elsewhere_set(socket(family, elsewhere_type(type), protocol),
			     type);
}

static inline int elsewhere_socketpair(int family, int type, int protocol,
				       int fd[2])
{
	if (socketpair(family, elsewhere_type(type), protocol, fd) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		elsewhere_set(fd[i], type);
	return 0;
}

static inline int accept4(int fd, struct sockaddr *address, socklen_t *length,
			  int flags)
{
	return elsewhere_set(accept(fd, address, length), flags);
}

static inline int pipe2(int fd[2], int flags)
{
	if (pipe(fd) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		elsewhere_set(fd[i],
			      (flags & O_CLOEXEC ? SOCK_CLOEXEC : 0) |
				      (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0));
	return 0;
}

#define socket(family, type, protocol) elsewhere_socket(family, type, protocol)
#define socketpair(family, type, protocol, fd) \
	elsewhere_socketpair(family, type, protocol, fd)

#endif
