/* SPDX-License-Identifier: MIT */

/*
 * What the system refuses, one call at a time: whoever asked gets -1 or NULL
 * and that errno, no descriptor is left open, and what there was can be freed.
 *
 * A filter makes the call fail, in a child, as it cannot be taken off again.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract/child.h"
#include "kernel-posix.h"
#include "ration.h"
#include "reactor.h"
#include "seccomp.h"

/* A call, and why it fails. */
struct refusal {
	const char *backend;
	long nr;
	int error;
};

static int report(const char *wrong)
{
	if (wrong)
		fprintf(stderr, "%s (%s)\n", wrong, strerror(errno));
	return wrong != NULL;
}

/* The number of the next descriptor tells whether one was left open. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void never(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	abort();
}

static void never_accepted(struct bufferevent_listener *l, int fd,
			   const struct sockaddr *address, socklen_t length,
			   void *data)
{
	(void)l;
	(void)fd;
	(void)address;
	(void)length;
	(void)data;
	abort();
}

static void succeed(int (*act)(void *), const void *arg)
{
	child_succeeds(act, (void *)(uintptr_t)arg);
}

static struct bufferevent *connect_to_nobody(struct reactor *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(1),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	errno = 0;
	return bufferevent_connect(r, (struct sockaddr *)&a, sizeof(a), NULL,
				   NULL, never);
}

/* --- A reactor ----------------------------------------------------------- */

static const struct refusal opening[] = {
	{ "epoll", SYS_epoll_create1, EMFILE },
	{ "epoll", SYS_epoll_ctl, ENOSPC },
	{ "epoll", SYS_eventfd2, ENFILE },
	{ "kqueue", SYS_memfd_create, EMFILE },
	{ "poll", SYS_eventfd2, EMFILE },
};

static int refuse_new(void *arg)
{
	const struct refusal *x = arg;
	int fd = next_fd();

	ration_setup(NULL);
	if (!seccomp_refuse(x->nr, x->error))
		return report("no filter");
	errno = 0;
	if (reactor_new(x->backend) || errno != x->error)
		return report("not refused");
	if (ration.held != 0)
		return report("memory is held");
	return report(next_fd() == fd ? NULL : "left open");
}

/* The same for the child's copy: there is no reactor then, save to free. */
static int refuse_fork(void *arg)
{
	const struct refusal *x = arg;
	struct reactor *r = reactor_new(x->backend);

	if (!r || !seccomp_refuse(x->nr, x->error))
		return report("no reactor, or no filter");
	errno = 0;
	if (reactor_fork(r) != -1 || errno != x->error)
		return report("not refused");
	reactor_free(r);
	return 0;
}

static bool is_compiled_in(const char *backend)
{
	for (const struct kernel *const *k = bufev_kernels; *k; k++)
		if (strcmp((*k)->name, backend) == 0)
			return true;
	return false;
}

static void test_a_reactor(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(opening) / sizeof(opening[0]); i++) {
		if (!is_compiled_in(opening[i].backend))
			continue;
		succeed(refuse_new, &opening[i]);
		succeed(refuse_fork, &opening[i]);
	}
}

/* The bell gets a number that the table of watches has no room for. */
static int refuse_memory_after_fork(void *arg)
{
	struct reactor *r = reactor_new(arg);
	int fd = 0;

	if (!r)
		return report("no reactor");
	while (fd >= 0 && fd < r->fds)
		fd = dup(STDERR_FILENO);
	ration_setup(NULL);
	ration.left = 0;
	errno = 0;
	if (reactor_fork(r) != -1 || errno != ENOMEM)
		return report("not refused");
	bufev_set_allocator(NULL, NULL);
	reactor_free(r);
	return 0;
}

static void test_memory_after_fork(void **state)
{
	(void)state;
	for (const struct kernel *const *k = bufev_kernels; *k; k++)
		if (strcmp((*k)->name, "uring") != 0)
			succeed(refuse_memory_after_fork, (*k)->name);
}

/*
 * A descriptor was closed while it was watched, and its number given to another
 * file: epoll does not know that one, so it is added.
 */
static void test_another_file(void **state)
{
	const struct kernel *k = &bufev_kernel_epoll;
	void *self = k->open();
	struct kernel_event e[KERNEL_BATCH];
	int old[2], new[2];

	(void)state;
	assert_non_null(self);
	harness_pair(old);
	harness_pair(new);
	assert_int_equal(k->set(self, old[0], 0, KERNEL_READ), 0);
	harness_close(old[0]);
	assert_int_equal(dup2(new[0], old[0]), old[0]);
	assert_int_equal(k->set(self, old[0], KERNEL_READ,
				KERNEL_READ | KERNEL_WRITE),
			 0);
	assert_int_equal(k->wait(self, e, 0), 1);
	assert_int_equal(e[0].fd, old[0]);
	assert_int_equal(e[0].events, KERNEL_WRITE);
	k->close(self);
	for (int i = 0; i < 2; i++) {
		harness_close(old[i]);
		harness_close(new[i]);
	}
}

/* --- Waiting ------------------------------------------------------------- */

/* By whatever name this C library calls it. */
static bool refuse_all_waiting(void)
{
	static const long call[] = {
#ifdef SYS_epoll_wait
		SYS_epoll_wait,
#endif
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef SYS_ppoll_time64
		SYS_ppoll_time64,
#endif
		SYS_epoll_pwait, SYS_ppoll
	};

	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++)
		if (!seccomp_refuse(call[i], EINVAL))
			return false;
	return true;
}

static int refuse_waiting(void *arg)
{
	struct reactor *r = reactor_new(arg);

	if (!r || !refuse_all_waiting())
		return report("no reactor, or no filter");
	reactor_hold(r);
	errno = 0;
	if (reactor_turn(r, -1) != -1 || errno != EINVAL)
		return report("the turn did not fail");
	errno = 0;
	if (reactor_run(r) != -1 || errno != EINVAL)
		return report("the run did not fail");
	reactor_release(r);
	reactor_free(r);
	return 0;
}

static void test_waiting(void **state)
{
	(void)state;
	for (const struct kernel *const *k = bufev_kernels; *k; k++)
		if (strcmp((*k)->name, "uring") != 0)
			succeed(refuse_waiting, (*k)->name);
}

/* --- Sockets ------------------------------------------------------------- */

#ifndef SYS_socketcall /* with which all of these would be the same call */

/* A call with that option, or with any argument where it is 0. */
static const struct {
	long nr;
	unsigned option;
} listening[] = {
	{ SYS_socket, 0 },
	{ SYS_setsockopt, SO_REUSEADDR },
	{ SYS_setsockopt, SO_REUSEPORT },
	{ SYS_setsockopt, IPV6_V6ONLY },
	{ SYS_bind, 0 },
	{ SYS_listen, 0 },
};

static int refuse_listen(void *arg)
{
	const size_t i = (uintptr_t)arg;
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct reactor *r = reactor_new("poll");
	int fd = next_fd();

	if (!r || !(listening[i].option ?
			    seccomp_refuse_where(listening[i].nr, 2,
						 listening[i].option, ENOBUFS) :
			    seccomp_refuse(listening[i].nr, ENOBUFS)))
		return report("no reactor, or no filter");
	errno = 0;
	if (bufferevent_listen(r, (struct sockaddr *)&a, sizeof(a),
			       BUFEV_LISTEN_REUSEPORT | BUFEV_LISTEN_V6ONLY,
			       never_accepted, NULL) ||
	    errno != ENOBUFS)
		return report("not refused");
	if (next_fd() != fd)
		return report("left open");
	reactor_free(r);
	return 0;
}

static void test_listen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(listening) / sizeof(listening[0]); i++)
		child_succeeds(refuse_listen, (void *)i);
}

/* What is the caller's mistake, or a want of descriptors, the call says. */
static const struct refusal connecting[] = {
	{ NULL, SYS_socket, EMFILE },
	{ NULL, SYS_connect, EINVAL },
	{ NULL, SYS_connect, EAFNOSUPPORT },
};

static int refuse_connect(void *arg)
{
	const struct refusal *x = arg;
	struct reactor *r = reactor_new("poll");
	int fd = next_fd();

	if (!r || !seccomp_refuse(x->nr, x->error))
		return report("no reactor, or no filter");
	if (connect_to_nobody(r) || errno != x->error)
		return report("not refused");
	if (next_fd() != fd)
		return report("left open");
	reactor_free(r);
	return 0;
}

/* The system goes on with it. */
static int interrupt_connect(void *arg)
{
	struct reactor *r = reactor_new("poll");
	struct bufferevent *b;

	(void)arg;
	if (!r || !seccomp_refuse(SYS_connect, EINTR))
		return report("no reactor, or no filter");
	b = connect_to_nobody(r);
	if (!b)
		return report("taken for a failure");
	bufferevent_free(b);
	reactor_free(r);
	return 0;
}

static void test_connect(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(connecting) / sizeof(connecting[0]); i++)
		succeed(refuse_connect, &connecting[i]);
	child_succeeds(interrupt_connect, NULL);
}

/* What waits as an error on the new socket is that connection's alone. */
static int abort_accept(void *arg)
{
	static const int lost[] = { ENETDOWN,	  ENOPROTOOPT, EHOSTDOWN,
				    EHOSTUNREACH, EOPNOTSUPP,  ENETUNREACH,
				    ETIMEDOUT,	  EPERM,       ENONET };
	struct sockaddr_storage a;
	socklen_t length = sizeof(a);

	(void)arg;
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (!seccomp_refuse(SYS_accept4, lost[i]))
			return report("no filter");
		if (bufev_posix_accept(NULL, 0, (struct sockaddr *)&a,
				       &length) != -ECONNABORTED)
			return report(strerror(lost[i]));
	}
	if (!seccomp_refuse(SYS_accept4, EMFILE))
		return report("no filter");
	return bufev_posix_accept(NULL, 0, (struct sockaddr *)&a, &length) !=
	       -EMFILE;
}

static void test_accept(void **state)
{
	(void)state;
	child_succeeds(abort_accept, NULL);
}

#endif

/* --- A descriptor -------------------------------------------------------- */

/* It can be asked for its flags, but not given others. */
static void test_a_place_in_the_file_system(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	assert_return_code(fd, errno);
	errno = 0;
	assert_null(bufferevent_new_on(f->reactor, fd, NULL, NULL, never));
	assert_int_equal(errno, EBADF);
	harness_close(fd);
}

/* EPIPE without the signal: there is none to be waited for. */
static int break_pipe(void *arg)
{
	struct iovec v = { arg, 1 };
	int fd[2];

	if (pipe(fd) < 0 || !seccomp_refuse(SYS_writev, EPIPE))
		return report("no pipe, or no filter");
	return bufev_posix_move(fd[1], true, &v, 1) != -EPIPE;
}

static void test_a_broken_pipe(void **state)
{
	char byte = 'x';

	(void)state;
	child_succeeds(break_pipe, &byte);
}

/* --- A thread's own reactor ---------------------------------------------- */

/* The keys that a thread's values can have are all in use. */
static int use_up_keys(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	pthread_key_t key;

	(void)arg;
	while (pthread_key_create(&key, NULL) == 0)
		continue;
	for (int i = 0; i < 2; i++) {
		errno = 0;
		if (reactor_default() || errno != EAGAIN)
			return report("not refused");
	}
	errno = 0;
	if (bufferevent_new(0, NULL, NULL, never) || errno != EAGAIN)
		return report("a bufferevent");
	if (connect_to_nobody(NULL) || errno != EAGAIN)
		return report("a connection");
	errno = 0;
	if (bufferevent_listen(NULL, (struct sockaddr *)&a, sizeof(a), 0,
			       never_accepted, NULL) ||
	    errno != EAGAIN)
		return report("a listener");
	return 0;
}

static void test_no_default(void **state)
{
	(void)state;
	child_succeeds(use_up_keys, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_a_reactor),
		harness_test(test_memory_after_fork),
		harness_test(test_another_file),
		harness_test(test_waiting),
#ifndef SYS_socketcall
		harness_test(test_listen),
		harness_test(test_connect),
		harness_test(test_accept),
#endif
		harness_test(test_a_place_in_the_file_system),
		harness_test(test_a_broken_pipe),
		harness_test(test_no_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
