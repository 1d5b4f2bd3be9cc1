/* SPDX-License-Identifier: MIT */

/*
 * The parts of struct kernel that every POSIX system does alike: moving
 * bytes by one plain system call each, and what happens to a descriptor at
 * the beginning and at the end of its life.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/sockios.h>
#endif

#include <bufev/net.h>

#include "kernel-posix.h"

/* Where it is missing, what is sent is kept quiet as what is written. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

uint64_t bufev_posix_now(void *self)
{
	struct timespec t;

	(void)self;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct msghdr message(const struct iovec *v, int pieces)
{
	struct msghdr m;

	memset(&m, 0, sizeof(m));
	m.msg_iov = (struct iovec *)(uintptr_t)v;
	m.msg_iovlen = (uint8_t)pieces; /* an int in musl, else a size_t */
	return m;
}

/* send(2) is a little cheaper than sendmsg(2). */
static ssize_t send_now(int fd, const struct iovec *v, int pieces)
{
	struct msghdr m;

	if (pieces == 1)
		return send(fd, v->iov_base, v->iov_len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	m = message(v, pieces);
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t send_patiently(int fd, const struct iovec *v, int pieces)
{
	struct msghdr m = message(v, pieces);

	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

/*
 * A write to a broken pipe raises SIGPIPE, which must not reach the process:
 * it is blocked meanwhile, and consumed where it is ours (one that was pending
 * before is the application's).  On macOS and NetBSD it is not sent to the
 * thread that writes, but to the process, of which another thread may take it:
 * there adopt() turns it off for the descriptor (F_SETNOSIGPIPE).
 */
static ssize_t quietly(ssize_t (*move)(int, const struct iovec *, int), int fd,
		       const struct iovec *v, int pieces)
{
	sigset_t sigpipe, before, pending;
	bool was_pending;
	ssize_t n;
	int error, signo;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &sigpipe, &before);

	n = move(fd, v, pieces);
	error = errno;
	if (n < 0 && error == EPIPE && !was_pending) {
		sigpending(&pending);
		if (sigismember(&pending, SIGPIPE) == 1)
			sigwait(&sigpipe, &signo);
	}

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return n;
}

static ssize_t move_socket(const struct transfer *t)
{
	struct msghdr m;

	if (t->write)
		return MSG_NOSIGNAL ?
			       send_now(t->fd, t->v, (int)t->pieces) :
			       quietly(send_now, t->fd, t->v, (int)t->pieces);
	if (t->pieces == 1)
		return recv(t->fd, t->v[0].iov_base, t->v[0].iov_len,
			    MSG_DONTWAIT);
	m = message(t->v, (int)t->pieces);
	return recvmsg(t->fd, &m, MSG_DONTWAIT);
}

static ssize_t move_other(const struct transfer *t)
{
	if (t->write)
		return quietly(writev, t->fd, t->v, (int)t->pieces);
	return readv(t->fd, t->v, (int)t->pieces);
}

void bufev_posix_transfer(void *self, struct transfer *t, unsigned n)
{
	struct transfer *end = t + n;

	(void)self;
	for (; t != end; t++) {
		do {
			if (!t->socket) {
				t->done = move_other(t);
				continue;
			}
			t->done = move_socket(t);
			if (t->done < 0 && errno == ENOTSOCK) {
				t->socket = false;
				t->done = move_other(t);
			}
		} while (t->done < 0 && errno == EINTR);
		if (t->done < 0)
			t->done = errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
}

ssize_t bufev_posix_move(int fd, bool write, const struct iovec *v, int pieces)
{
	ssize_t n;

	if (!write) {
		n = readv(fd, v, pieces);
		return n < 0 ? -errno : n;
	}
	n = MSG_NOSIGNAL ? send_patiently(fd, v, pieces) :
			   quietly(send_patiently, fd, v, pieces);
	if (n < 0 && errno == ENOTSOCK)
		n = quietly(writev, fd, v, pieces);
	return n < 0 ? -errno : n;
}

int bufev_posix_adopt(void *self, int fd, struct kernel_fd *is)
{
	int type, flags = fcntl(fd, F_GETFL);
	socklen_t length = sizeof(type);

	(void)self;
	if (flags < 0)
		return -errno;
	is->socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
	if (is->socket && type != SOCK_STREAM)
		return -EINVAL;
	is->writable = (flags & O_ACCMODE) != O_RDONLY;
	is->was_blocking = !(flags & O_NONBLOCK);
	if (is->was_blocking && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
#ifdef F_SETNOSIGPIPE
	fcntl(fd, F_SETNOSIGPIPE, 1);
#endif
	return 0;
}

void bufev_posix_restore(void *self, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)self;
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

void bufev_posix_close_fd(void *self, int fd)
{
	(void)self;
	close(fd);
}

/* An address that is too short for its family would be read past its end. */
bool bufev_posix_has_length(const struct sockaddr *address, socklen_t length)
{
	size_t family_end =
		offsetof(struct sockaddr, sa_family) + sizeof(sa_family_t);

	if (!address || length < family_end)
		return false;
	switch (address->sa_family) {
	case AF_INET:
		return length == sizeof(struct sockaddr_in);
	case AF_INET6:
		return length == sizeof(struct sockaddr_in6);
	case AF_UNIX:
		return length > offsetof(struct sockaddr_un, sun_path) &&
		       length <= sizeof(struct sockaddr_un);
	default:
		return true;
	}
}

#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int new_connection(int fd, struct sockaddr *address, socklen_t *length)
{
	int connection =
		accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return connection < 0 ? -errno : connection;
}
#else
static int prepared(int fd)
{
	int flags, error;

	if (fd < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int new_socket(int family)
{
	return prepared(socket(family, SOCK_STREAM, 0));
}

static int new_connection(int fd, struct sockaddr *address, socklen_t *length)
{
	return prepared(accept(fd, address, length));
}
#endif

static int set_on(int fd, int level, int option, int on)
{
	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int bind_and_listen(int fd, const struct sockaddr *address,
			   socklen_t length, unsigned flags)
{
	if (set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -errno;
	if ((flags & BUFEV_LISTEN_REUSEPORT) &&
	    set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -errno;
	if (address->sa_family == AF_INET6 &&
	    set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		   (flags & BUFEV_LISTEN_V6ONLY) != 0) < 0)
		return -errno;
	if (bind(fd, address, length) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return 0;
}

int bufev_posix_listen(void *self, const struct sockaddr *address,
		       socklen_t length, unsigned flags)
{
	int fd, error;

	(void)self;
	if (!bufev_posix_has_length(address, length))
		return -EINVAL;
	fd = new_socket(address->sa_family);
	if (fd < 0)
		return fd;
	error = bind_and_listen(fd, address, length, flags);
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

/*
 * accept(2): Linux reports network errors that wait on the new socket as
 * errors of the call.  They mean what ECONNABORTED means.
 */
static bool is_aborted(int error)
{
	switch (error) {
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
	case EPERM:
#ifdef ENONET
	case ENONET:
#endif
		return true;
	default:
		return false;
	}
}

int bufev_posix_accept(void *self, int fd, struct sockaddr *address,
		       socklen_t *length)
{
	int connection = new_connection(fd, address, length);

	(void)self;
	return connection < 0 && is_aborted(-connection) ? -ECONNABORTED :
							   connection;
}

int bufev_posix_connect(void *self, const struct sockaddr *address,
			socklen_t length, int *outcome)
{
	int fd;

	(void)self;
	if (!bufev_posix_has_length(address, length))
		return -EINVAL;
	fd = new_socket(address->sa_family);
	if (fd < 0)
		return fd;
	*outcome = connect(fd, address, length) == 0 ? 0 : errno;
	/* POSIX: an interrupted connect goes on by itself. */
	if (*outcome == EINTR)
		*outcome = EINPROGRESS;
	if (*outcome == EINVAL || *outcome == EAFNOSUPPORT) {
		close(fd);
		return -*outcome;
	}
	return fd;
}

int bufev_posix_error(void *self, int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	(void)self;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return 0;
	return error;
}

/*
 * SO_ERROR tells an error only once, so after a failure it says 0, as after a
 * success; the peer's name tells them apart.
 */
int bufev_posix_connected(void *self, int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int error = bufev_posix_error(self, fd);

	if (error != 0)
		return -error;
	if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
		return -errno;
	return 0;
}

int bufev_posix_shutdown(void *self, int fd)
{
	(void)self;
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

/* Who cannot tell says yes. */
bool bufev_posix_undelivered(void *self, int fd)
{
	int bytes = 0;

	(void)self;
#if defined(SIOCOUTQ)
	return ioctl(fd, SIOCOUTQ, &bytes) < 0 || bytes > 0;
#elif defined(FIONWRITE)
	return ioctl(fd, FIONWRITE, &bytes) < 0 || bytes > 0;
#elif defined(SO_NWRITE)
	return getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes,
			  &(socklen_t){ sizeof(bytes) }) < 0 ||
	       bytes > 0;
#else
	(void)fd;
	(void)bytes;
	return true;
#endif
}
