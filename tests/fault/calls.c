/* SPDX-License-Identifier: MIT */

/*
 * The wrappers.  For a call `f` the linker makes of the library's reference to
 * it one to __wrap_f, and of a reference to f one to the true one.
 *
 * A few calls do their work and then fail all the same, since that is what the
 * system does: close(2) has closed, munmap(2) would else leak, a connect(2)
 * that was interrupted goes on, and a kevent(2) has made its changes.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "wrapped.h"

enum {
	/* Nobody but us would bring anything after so long. */
	STALLED_MS = 300,
	/* Soon four levels of the wheels turn over. */
	START_MS = (1 << 24) - 50
};

static const uint64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

struct calls calls;

static struct call_fault fault;
static enum cut cut_now; /* of the call that is being made */
static bool begun;
static bool in_kqueue; /* the stand-in for it makes calls of its own */

/* --- Faults -------------------------------------------------------------- */

void calls_begin(void)
{
	calls.clock = START_MS * NS_PER_MS;
	begun = true;
	calls.mapped = 0;
	calls.patience_ms = 0;
	calls.no_descriptors = false;
	calls_arm(NULL);
}

void calls_end(void)
{
	begun = false;
	fault.times = 0;
}

void calls_arm(const struct call_fault *wanted)
{
	memset(calls.made, 0, sizeof(calls.made));
	calls.failed = 0;
	fault = wanted ? *wanted : (struct call_fault){ .times = 0 };
}

int calls_take(enum call call)
{
	cut_now = CUT_NOTHING;
	if (!begun || in_kqueue)
		return 0;
	calls.made[call]++;
	if (fault.times == 0 || call != fault.call ||
	    calls.made[call] < fault.nth)
		return 0;
	fault.times--;
	calls.failed++;
	cut_now = fault.cut;
	return fault.error;
}

size_t calls_cut(size_t n)
{
	return cut_to(cut_now, n);
}

bool calls_refuse(enum call call)
{
	int error = calls_take(call);

	if (error)
		errno = error;
	return error != 0;
}

/* --- Time ---------------------------------------------------------------- */

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!begun || in_kqueue || id != CLOCK_MONOTONIC)
		return clock_gettime(id, t);
	t->tv_sec = (time_t)(calls.clock / NS_PER_S);
	t->tv_nsec = (long)(calls.clock % NS_PER_S);
	return 0;
}

/* How long a wait that was to last `ms` really waits, when tried again. */
static int patience(int ms)
{
	if (ms < 0)
		return STALLED_MS;
	return ms < calls.patience_ms ? ms : calls.patience_ms;
}

/* It found nothing. */
static void slept(int ms)
{
	if (ms > 0)
		calls.clock += (uint64_t)ms * NS_PER_MS;
	else if (ms < 0 && calls.stalled)
		calls.stalled();
}

/* --- Waiting ------------------------------------------------------------- */

int __wrap_epoll_create1(int flags)
{
	return calls_refuse(CALL_EPOLL_CREATE) ? -1 : epoll_create1(flags);
}

int __wrap_epoll_ctl(int self, int op, int fd, struct epoll_event *e)
{
	return calls_refuse(CALL_EPOLL_CTL) ? -1 : epoll_ctl(self, op, fd, e);
}

int __wrap_epoll_wait(int fd, struct epoll_event *e, int most, int ms)
{
	int n;

	if (calls_refuse(CALL_EPOLL_WAIT))
		return -1;
	if (!begun)
		return epoll_wait(fd, e, most, ms);
	n = epoll_wait(fd, e, most, 0);
	if (n == 0 && patience(ms) > 0)
		n = epoll_wait(fd, e, most, patience(ms));
	if (n == 0)
		slept(ms);
	return n;
}

int __wrap_eventfd(unsigned count, int flags)
{
	return calls_refuse(CALL_EVENTFD) ? -1 : eventfd(count, flags);
}

int __wrap_poll(struct pollfd *fd, nfds_t count, int ms)
{
	int n;

	if (in_kqueue || !begun)
		return poll(fd, count, ms);
	if (calls_refuse(CALL_POLL))
		return -1;
	n = poll(fd, count, 0);
	if (n == 0 && patience(ms) > 0)
		n = poll(fd, count, patience(ms));
	if (n == 0)
		slept(ms);
	return n;
}

int __wrap_kqueue(void)
{
	int fd;

	if (calls_refuse(CALL_KQUEUE))
		return -1;
	in_kqueue = true;
	fd = kqueue();
	in_kqueue = false;
	return fd;
}

static int kevent_for(int fd, struct kevent *e, int most, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	int n;

	in_kqueue = true;
	n = kevent(fd, NULL, 0, e, most, &t);
	in_kqueue = false;
	return n;
}

static int change_for(int fd, const struct kevent *changes, int count)
{
	int n;

	in_kqueue = true;
	n = kevent(fd, changes, count, NULL, 0, NULL);
	in_kqueue = false;
	return n;
}

/* The library makes changes in one call, and waits in another. */
int __wrap_kevent(int fd, const struct kevent *changes, int count,
		  struct kevent *e, int most, const struct timespec *timeout)
{
	int error = calls_take(CALL_KEVENT), n, ms;

	if (error == EINTR && count > 0)
		change_for(fd, changes, count);
	if (error) {
		errno = error;
		return -1;
	}
	if (count > 0)
		return change_for(fd, changes, count);
	if (!begun)
		return kevent(fd, NULL, 0, e, most, timeout);
	ms = timeout ? (int)timeout->tv_sec * 1000 +
			       (int)(timeout->tv_nsec / 1000000) :
		       -1;
	n = kevent_for(fd, e, most, 0);
	if (n == 0 && patience(ms) > 0)
		n = kevent_for(fd, e, most, patience(ms));
	if (n == 0)
		slept(ms);
	return n;
}

/* --- Descriptors --------------------------------------------------------- */

int __wrap_close(int fd)
{
	int error = calls_take(CALL_CLOSE), n;

	calls_ring_closed(fd);
	n = close(fd);
	if (error == 0)
		return n;
	errno = error;
	return -1;
}

/* All of ours have an int or none. */
int __wrap_fcntl(int fd, int command, ...)
{
	bool has_none = command == F_GETFL || command == F_GETFD;
	va_list list;
	int argument;

	va_start(list, command);
	argument = has_none ? 0 : va_arg(list, int);
	va_end(list);
	return calls_refuse(CALL_FCNTL) ? -1 : fcntl(fd, command, argument);
}

/* Each of ours, and of the stand-in's, has a pointer. */
int __wrap_ioctl(int fd, ioctl_request request, ...)
{
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	return calls_refuse(CALL_IOCTL) ? -1 : ioctl(fd, request, argument);
}

int __wrap_fstat(int fd, struct stat *s)
{
	return calls_refuse(CALL_FSTAT) ? -1 : fstat(fd, s);
}

/* --- Sockets ------------------------------------------------------------- */

int __wrap_socket(int family, int type, int protocol)
{
	return calls_refuse(CALL_SOCKET) ? -1 : socket(family, type, protocol);
}

int __wrap_socketpair(int family, int type, int protocol, int fd[2])
{
	return calls_refuse(CALL_SOCKETPAIR) ?
		       -1 :
		       socketpair(family, type, protocol, fd);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	return calls_refuse(CALL_BIND) ? -1 : bind(fd, address, length);
}

int __wrap_listen(int fd, int backlog)
{
	return calls_refuse(CALL_LISTEN) ? -1 : listen(fd, backlog);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length,
		   int flags)
{
	if (calls_refuse(CALL_ACCEPT))
		return -1;
	if (calls.no_descriptors) {
		errno = EMFILE;
		return -1;
	}
	return accept4(fd, address, length, flags);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int error = calls_take(CALL_CONNECT), n = 0;

	if (error == 0 || error == EINTR || error == EINPROGRESS)
		n = connect(fd, address, length);
	if (error == 0)
		return n;
	errno = error;
	return -1;
}

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	return calls_refuse(CALL_GETPEERNAME) ?
		       -1 :
		       getpeername(fd, address, length);
}

int __wrap_getsockopt(int fd, int level, int name, void *value,
		      socklen_t *length)
{
	return calls_refuse(CALL_GETSOCKOPT) ?
		       -1 :
		       getsockopt(fd, level, name, value, length);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t length)
{
	return calls_refuse(CALL_SETSOCKOPT) ?
		       -1 :
		       setsockopt(fd, level, name, value, length);
}

int __wrap_shutdown(int fd, int how)
{
	return calls_refuse(CALL_SHUTDOWN) ? -1 : shutdown(fd, how);
}

/* --- Bytes --------------------------------------------------------------- */

/* Those pieces, or their beginning, in `cut`; how many there are then. */
static int cut_pieces(const struct iovec *v, int count, struct iovec cut[2])
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += v[i].iov_len;
	n = calls_cut(n);
	cut[0] = v[0];
	if (count < 2 || n <= v[0].iov_len) {
		cut[0].iov_len = n;
		return 1;
	}
	cut[1] = v[1];
	cut[1].iov_len = n - v[0].iov_len;
	return 2;
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
	return calls_refuse(CALL_READ) ? -1 : read(fd, p, n);
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	return calls_refuse(CALL_WRITE) ? -1 : write(fd, p, n);
}

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	return calls_refuse(CALL_RECV) ? -1 : recv(fd, p, calls_cut(n), flags);
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	return calls_refuse(CALL_SEND) ? -1 : send(fd, p, calls_cut(n), flags);
}

ssize_t __wrap_readv(int fd, const struct iovec *v, int count)
{
	struct iovec cut[2];

	if (calls_refuse(CALL_READV))
		return -1;
	count = cut_pieces(v, count, cut);
	return readv(fd, cut, count);
}

ssize_t __wrap_writev(int fd, const struct iovec *v, int count)
{
	struct iovec cut[2];

	if (calls_refuse(CALL_WRITEV))
		return -1;
	count = cut_pieces(v, count, cut);
	return writev(fd, cut, count);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct msghdr shorter = *m;
	struct iovec cut[2];

	if (calls_refuse(CALL_RECVMSG))
		return -1;
	shorter.msg_iovlen =
		(uint8_t)cut_pieces(m->msg_iov, (int)m->msg_iovlen, cut);
	shorter.msg_iov = cut;
	return recvmsg(fd, &shorter, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct msghdr shorter = *m;
	struct iovec cut[2];

	if (calls_refuse(CALL_SENDMSG))
		return -1;
	shorter.msg_iovlen =
		(uint8_t)cut_pieces(m->msg_iov, (int)m->msg_iovlen, cut);
	shorter.msg_iov = cut;
	return sendmsg(fd, &shorter, flags);
}

/* --- Memory, files and the rest ------------------------------------------ */

void *__wrap_malloc(size_t n)
{
	return calls_refuse(CALL_MALLOC) ? NULL : malloc(n);
}

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd,
		  off_t offset)
{
	void *p;

	if (calls_refuse(CALL_MMAP))
		return MAP_FAILED;
	p = mmap(at, n, protection, flags, fd, offset);
	if (p != MAP_FAILED) {
		calls.mapped++;
		calls_ring_mapped(fd, offset, p);
	}
	return p;
}

int __wrap_munmap(void *p, size_t n)
{
	int error = calls_take(CALL_MUNMAP), result = munmap(p, n);

	calls.mapped--;
	if (error == 0)
		return result;
	errno = error;
	return -1;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return calls_refuse(CALL_FOPEN) ? NULL : fopen(path, mode);
}

char *__wrap_fgets(char *line, int n, FILE *file)
{
	return calls_refuse(CALL_FGETS) ? NULL : fgets(line, n, file);
}

int __wrap_vsnprintf(char *text, size_t n, const char *format, va_list list)
{
	return calls_refuse(CALL_VSNPRINTF) ? -1 :
					      vsnprintf(text, n, format, list);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
	int error = calls_take(CALL_KEY_CREATE);

	return error ? error : pthread_key_create(key, end);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	int error = calls_take(CALL_SETSPECIFIC);

	return error ? error : pthread_setspecific(key, value);
}

/* To put back what a signal did cannot fail, where taking it over did not. */
int __wrap_sigaction(int signo, const struct sigaction *action,
		     struct sigaction *before)
{
	if (before && calls_refuse(CALL_SIGACTION))
		return -1;
	return sigaction(signo, action, before);
}
