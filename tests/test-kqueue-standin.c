/* SPDX-License-Identifier: MIT */

/*
 * The stand-in for kqueue, where lib/kernel-kqueue.c and its tests rely on it:
 * what is not so in it would prove nothing.  And what the backend makes of an
 * answer that only some systems give.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "kernel.h"
#include "kqueue-standin.h"

static int kq;
static struct kevent got[8];

static int setup(void **state)
{
	if (harness_setup(state) < 0)
		return -1;
	kq = kqueue();
	return kq < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	harness_close(kq);
	return harness_teardown(state);
}

/* 0 or an errno. */
static int change(int fd, short filter, unsigned short flags)
{
	struct kevent e;

	EV_SET(&e, (uintptr_t)fd, filter, flags, 0, 0, 0);
	return kevent(kq, &e, 1, NULL, 0, NULL) < 0 ? errno : 0;
}

static int look(void)
{
	const struct timespec now = { 0, 0 };

	return kevent(kq, NULL, 0, got, 8, &now);
}

static void test_add_and_delete(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_DELETE), ENOENT);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_ADD), 0);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_ADD), 0);
	assert_int_equal(kqueue_standin_count(kq), 1);
	assert_int_equal(look(), 0);
	harness_send(fd[1], "abc");
	assert_int_equal(look(), 1);
	assert_int_equal(got[0].ident, fd[0]);
	assert_int_equal(got[0].filter, EVFILT_READ);
	assert_int_equal(got[0].data, 3);
	assert_int_equal(got[0].flags & (EV_EOF | EV_CLEAR | EV_ERROR), 0);
	assert_int_equal(look(), 1);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_DELETE), 0);
	assert_int_equal(look(), 0);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_DELETE), ENOENT);
	assert_int_equal(change(-1, EVFILT_READ, EV_ADD), EBADF);
	assert_int_equal(change(fd[0], -3, EV_ADD), EINVAL);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_errors_and_receipts(void **state)
{
	const struct timespec now = { 0, 0 };
	struct kevent e[3];
	int fd[2];

	(void)state;
	harness_pair(fd);
	EV_SET(&e[0], (uintptr_t)fd[0], EVFILT_WRITE, EV_ADD | EV_RECEIPT, 0, 0,
	       0);
	EV_SET(&e[1], (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0, 0);
	EV_SET(&e[2], (uintptr_t)fd[1], EVFILT_READ, EV_ADD, 0, 0, 0);
	/* What is ready is not reported together with errors. */
	assert_int_equal(kevent(kq, e, 3, got, 8, &now), 2);
	assert_true(got[0].flags & EV_ERROR);
	assert_int_equal(got[0].data, 0);
	assert_true(got[1].flags & EV_ERROR);
	assert_int_equal(got[1].data, ENOENT);
	assert_int_equal(kqueue_standin_count(kq), 2);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

/* Once, and again when something has changed; adding again changes nothing. */
static void test_clear(void **state)
{
	int fd[2];

	(void)state;
	harness_tcp_pair(fd);
	assert_int_equal(change(fd[0], EVFILT_WRITE, EV_ADD | EV_CLEAR), 0);
	assert_int_equal(look(), 1);
	assert_true(got[0].flags & EV_CLEAR);
	assert_int_equal(look(), 0);
	assert_int_equal(change(fd[0], EVFILT_WRITE, EV_ADD), 0);
	assert_int_equal(look(), 0);
	harness_fill(fd[0]);
	assert_int_equal(look(), 0);
	while (harness_drain(fd[1]) > 0)
		continue;
	assert_int_equal(look(), 1);
	assert_int_equal(look(), 0);
	harness_reset(fd[1]);
	assert_int_equal(look(), 1);
	assert_true(got[0].flags & EV_EOF);
	assert_int_not_equal(got[0].fflags, 0);
	assert_int_equal(look(), 0);
	harness_close(fd[0]);
}

static void own_shutdown(int fd[2])
{
	assert_int_equal(change(fd[0], EVFILT_READ, EV_ADD), 0);
	assert_int_equal(change(fd[0], EVFILT_WRITE, EV_ADD), 0);
	assert_int_equal(look(), 1);
	assert_false(got[0].flags & EV_EOF);
	assert_return_code(shutdown(fd[0], SHUT_WR), errno);
	assert_int_equal(look(), 1);
	assert_int_equal(got[0].filter, EVFILT_WRITE);
	assert_true(got[0].flags & EV_EOF);
	assert_int_equal(got[0].fflags, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_own_shutdown_ends_writing(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	own_shutdown(fd);
	harness_tcp_pair(fd);
	own_shutdown(fd);
}

static void test_end_of_input(void **state)
{
	int fd[2];

	(void)state;
	harness_tcp_pair(fd);
	assert_int_equal(change(fd[0], EVFILT_READ, EV_ADD), 0);
	assert_int_equal(change(fd[0], EVFILT_WRITE, EV_ADD), 0);
	assert_return_code(shutdown(fd[1], SHUT_WR), errno);
	assert_int_equal(look(), 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal((got[i].flags & EV_EOF) != 0,
				 got[i].filter == EVFILT_READ);
		assert_int_equal(got[i].fflags, 0);
	}
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_refusals(void **state)
{
	int fd[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_return_code(pipe2(fd, O_CLOEXEC), errno);
	harness_close(fd[0]);
	assert_int_equal(change(fd[1], EVFILT_WRITE, EV_ADD), EPIPE);
	assert_int_equal(change(null, EVFILT_READ, EV_ADD), ENODEV);
	assert_int_equal(kqueue_standin_count(kq), 0);
	harness_close(fd[1]);
	harness_close(null);
}

/* Systems differ in the errno, and all of them mean that it never waits. */
static void test_what_never_waits(void **state)
{
	static const int refusal[] = { EINVAL, EOPNOTSUPP, ENODEV };
	const struct kernel *kernel = &bufev_kernel_kqueue;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	void *self = kernel->open();

	(void)state;
	assert_non_null(self);
	for (size_t i = 0; i < 3; i++) {
		kqueue_standin_refusal = refusal[i];
		assert_int_equal(kernel->set(self, fd, 0, KERNEL_READ), -EPERM);
	}
	kernel->close(self);
	harness_close(fd);
}

static void test_filters_go_with_their_descriptor(void **state)
{
	int fd[2], again[2];

	(void)state;
	harness_pair(fd);
	assert_int_equal(change(fd[0], EVFILT_WRITE, EV_ADD), 0);
	assert_int_equal(change(fd[1], EVFILT_WRITE, EV_ADD), 0);
	assert_int_equal(kqueue_standin_count(kq), 2);
	harness_close(fd[0]);
	assert_int_equal(kqueue_standin_count(kq), 1);
	harness_close(fd[1]);
	/* The numbers belong to others before anybody has looked. */
	harness_pair(again);
	assert_true(again[0] == fd[0] && again[1] == fd[1]);
	assert_int_equal(look(), 0);
	assert_int_equal(kqueue_standin_count(kq), 0);
	harness_close(again[0]);
	harness_close(again[1]);
}

static void test_queue_goes_with_its_descriptor(void **state)
{
	int other = kqueue(), null;

	(void)state;
	assert_return_code(other, errno);
	assert_int_equal(kqueue_standin_count(other), 0);
	harness_close(other);
	assert_int_equal(kqueue_standin_count(other), -1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(null, other);
	assert_int_equal(kqueue_standin_count(other), -1);
	assert_int_equal(kevent(other, NULL, 0, got, 8, NULL), -1);
	assert_int_equal(errno, EBADF);
	harness_close(null);
}

static void test_child_has_no_queue(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(fcntl(kq, F_GETFD) == -1 && kqueue() >= 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(kqueue_standin_count(kq), 0);
}

#define queue_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		queue_test(test_add_and_delete),
		queue_test(test_errors_and_receipts),
		queue_test(test_clear),
		queue_test(test_own_shutdown_ends_writing),
		queue_test(test_end_of_input),
		queue_test(test_refusals),
		queue_test(test_what_never_waits),
		queue_test(test_filters_go_with_their_descriptor),
		queue_test(test_queue_goes_with_its_descriptor),
		queue_test(test_child_has_no_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
