/* SPDX-License-Identifier: MIT */

/* What every backend says of one descriptor, in each of its states. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernels.h"

/* --- Ready --------------------------------------------------------------- */

static void test_timeout(void **state)
{
	(void)state;
	expect_nothing();
	expect_sleep();
}

static void test_read(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	set(fd[0], 0, KERNEL_READ);
	expect_nothing();
	harness_send(fd[1], "x");
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	/* Level-triggered. */
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	harness_drain(fd[0]);
	expect_nothing();
	set(fd[0], KERNEL_READ, 0);
	harness_send(fd[1], "x");
	expect_nothing();
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_write(void **state)
{
	int fd[2];

	(void)state;
	harness_tcp_pair(fd);
	set(fd[0], 0, KERNEL_WRITE);
	expect(fd[0], KERNEL_WRITE, KERNEL_WRITE);
	expect(fd[0], KERNEL_WRITE, KERNEL_WRITE);
	harness_fill(fd[0]);
	expect_nothing();
	while (harness_drain(fd[1]) > 0)
		continue;
	expect(fd[0], KERNEL_WRITE, KERNEL_WRITE);
	set(fd[0], KERNEL_WRITE, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

/*
 * Whatever it was and whatever it becomes, what is reported is what is wanted
 * of a descriptor that is ready for both.
 */
static void test_every_change(void **state)
{
	static const unsigned interest[] = { 0, KERNEL_READ, KERNEL_WRITE,
					     KERNEL_READ | KERNEL_WRITE,
					     KERNEL_LOSS };
	unsigned was = 0;
	int fd[2];

	(void)state;
	harness_pair(fd);
	harness_send(fd[1], "x");
	for (unsigned i = 0; i < 5 * 5 * 2; i++) {
		unsigned wanted = interest[i % 2 ? i / 2 % 5 : i / 10];

		set(fd[0], was, wanted);
		if (wanted & (KERNEL_READ | KERNEL_WRITE)) {
			expect(fd[0], wanted, wanted);
			expect(fd[0], wanted, wanted);
		} else {
			expect_nothing();
		}
		was = wanted;
	}
	set(fd[0], was, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

/* --- Loss ---------------------------------------------------------------- */

static void half_close(int fd[2])
{
	set(fd[0], 0, KERNEL_LOSS);
	assert_return_code(shutdown(fd[1], SHUT_WR), errno);
	expect_nothing();
	set(fd[0], KERNEL_LOSS, KERNEL_READ);
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	set(fd[0], KERNEL_READ, KERNEL_READ | KERNEL_WRITE);
	expect(fd[0], KERNEL_READ | KERNEL_WRITE, KERNEL_READ | KERNEL_WRITE);
	/* The end of input has been read: no spin. */
	set(fd[0], KERNEL_READ | KERNEL_WRITE, KERNEL_LOSS);
	expect_nothing();
	set(fd[0], KERNEL_LOSS, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_half_close_is_no_loss(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	half_close(fd);
	harness_tcp_pair(fd);
	half_close(fd);
}

static void reset_while(unsigned wanted)
{
	int fd[2];

	harness_tcp_pair(fd);
	set(fd[0], 0, wanted);
	if (!(wanted & KERNEL_WRITE))
		expect_nothing();
	harness_reset(fd[1]);
	expect(fd[0], wanted, wanted | KERNEL_LOSS);
	assert_int_equal(kernel->error(self, fd[0]), ECONNRESET);
	set(fd[0], wanted, 0);
	expect_nothing();
	harness_close(fd[0]);
}

static void test_reset(void **state)
{
	(void)state;
	reset_while(KERNEL_READ);
	reset_while(KERNEL_WRITE);
	reset_while(KERNEL_READ | KERNEL_WRITE);
	reset_while(KERNEL_LOSS);
}

static void test_reset_before(void **state)
{
	int fd[2];

	(void)state;
	harness_tcp_pair(fd);
	harness_reset(fd[1]);
	set(fd[0], 0, KERNEL_LOSS);
	expect(fd[0], KERNEL_LOSS, KERNEL_LOSS);
	set(fd[0], KERNEL_LOSS, 0);
	expect_nothing();
	/* Asked for again, it is said again. */
	set(fd[0], 0, KERNEL_LOSS);
	expect(fd[0], KERNEL_LOSS, KERNEL_LOSS);
	set(fd[0], KERNEL_LOSS, 0);
	harness_close(fd[0]);
}

static void test_hang_up(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	set(fd[0], 0, KERNEL_LOSS);
	expect_nothing();
	harness_send(fd[1], "last words");
	expect_nothing();
	harness_close(fd[1]);
	expect(fd[0], KERNEL_LOSS, KERNEL_LOSS);
	set(fd[0], KERNEL_LOSS, KERNEL_WRITE);
	expect(fd[0], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	set(fd[0], KERNEL_WRITE, 0);
	expect_nothing();
	/* What is still readable can be read. */
	assert_int_equal(harness_drain(fd[0]), 10);
	harness_close(fd[0]);
}

/* Full or with room, a healthy descriptor lets a wait for its loss sleep. */
static void test_loss_alone_does_not_spin(void **state)
{
	int fd[2];

	(void)state;
	harness_tcp_pair(fd);
	set(fd[0], 0, KERNEL_LOSS);
	expect_nothing();
	expect_sleep();
	harness_send(fd[1], "input that nobody wants");
	harness_fill(fd[0]);
	expect_nothing();
	expect_sleep();
	set(fd[0], KERNEL_LOSS, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void shut_down(int fd[2])
{
	set(fd[0], 0, KERNEL_READ);
	assert_return_code(kernel->shutdown(self, fd[0]), 0);
	expect_nothing();
	harness_send(fd[1], "x");
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	harness_drain(fd[0]);
	expect_nothing();
	set(fd[0], KERNEL_READ, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_reading_goes_on_after_shutdown(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	shut_down(fd);
	harness_tcp_pair(fd);
	shut_down(fd);
}

/* --- Pipes --------------------------------------------------------------- */

static void test_pipe_reader_goes(void **state)
{
	int fd[2];

	(void)state;
	open_pipe(fd);
	set(fd[1], 0, KERNEL_LOSS);
	expect_nothing();
	set(fd[1], KERNEL_LOSS, KERNEL_WRITE);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE);
	harness_fill(fd[1]);
	expect_nothing();
	harness_close(fd[0]);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	set(fd[1], KERNEL_WRITE, KERNEL_LOSS);
	expect(fd[1], KERNEL_LOSS, KERNEL_LOSS);
	set(fd[1], KERNEL_LOSS, 0);
	expect_nothing();
	harness_close(fd[1]);
}

/* Where the reader is gone already, some kernels refuse the registration. */
static void test_pipe_reader_is_gone(void **state)
{
	int fd[2];

	(void)state;
	open_pipe(fd);
	harness_close(fd[0]);
	set(fd[1], 0, KERNEL_WRITE);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	set(fd[1], KERNEL_WRITE, KERNEL_LOSS);
	expect(fd[1], KERNEL_LOSS, KERNEL_LOSS);
	set(fd[1], KERNEL_LOSS, 0);
	expect_nothing();
	set(fd[1], 0, KERNEL_LOSS);
	expect(fd[1], KERNEL_LOSS, KERNEL_LOSS);
	harness_close(fd[1]);
	expect_nothing();
	set(fd[1], KERNEL_LOSS, 0);
}

static void test_pipe_reader_is_gone_for_both(void **state)
{
	int fd[2];

	(void)state;
	open_pipe(fd);
	harness_close(fd[0]);
	set(fd[1], 0, KERNEL_READ | KERNEL_WRITE);
	expect(fd[1], KERNEL_READ | KERNEL_WRITE,
	       KERNEL_READ | KERNEL_WRITE | KERNEL_LOSS);
	set(fd[1], KERNEL_READ | KERNEL_WRITE, KERNEL_WRITE);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	set(fd[1], KERNEL_WRITE, 0);
	expect_nothing();
	harness_close(fd[1]);
}

static void test_pipe_writer_goes(void **state)
{
	int fd[2];

	(void)state;
	open_pipe(fd);
	set(fd[0], 0, KERNEL_READ);
	expect_nothing();
	harness_send(fd[1], "x");
	expect(fd[0], KERNEL_READ, KERNEL_READ);
	harness_close(fd[1]);
	wait_for_event();
	assert_true(reported(fd[0]) & (KERNEL_READ | KERNEL_LOSS));
	set(fd[0], KERNEL_READ, 0);
	expect_nothing();
	harness_close(fd[0]);
}

/* --- Bad, closed, and never waiting -------------------------------------- */

static int closed_number(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	harness_close(fd);
	return fd;
}

static void test_bad_fd(void **state)
{
	int fd = closed_number();

	(void)state;
	assert_int_equal(kernel->set(self, -1, 0, KERNEL_READ), -EBADF);
	assert_int_equal(kernel->set(self, fd, 0, KERNEL_READ), -EBADF);
	assert_int_equal(kernel->set(self, fd, 0, KERNEL_LOSS), -EBADF);
	assert_int_equal(kernel->set(self, 1 << 20, 0, KERNEL_WRITE), -EBADF);
	assert_int_equal(kernel->set(self, fd, KERNEL_READ, 0), 0);
	expect_nothing();
}

/* Open, but nothing that can be read; kqueue(2) has no such thing. */
static void test_a_place_in_the_file_system(void **state)
{
#ifdef __linux__
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	(void)state;
	assert_return_code(fd, errno);
	if (strcmp(kernel->name, "kqueue") != 0)
		assert_int_equal(kernel->set(self, fd, 0, KERNEL_READ), -EBADF);
	harness_close(fd);
#else
	(void)state;
	skip();
#endif
}

/* A mistake of the caller's, which must not make the reactor spin. */
static void test_closed_while_registered(void **state)
{
	int fd[2], again[2], number;

	(void)state;
	harness_pair(fd);
	harness_send(fd[1], "x");
	set(fd[0], 0, KERNEL_READ | KERNEL_WRITE);
	expect(fd[0], KERNEL_READ | KERNEL_WRITE, KERNEL_READ | KERNEL_WRITE);
	harness_close(fd[0]);
	expect_nothing();
	assert_int_equal(wait_ms(10), 0);
	set(fd[0], KERNEL_READ | KERNEL_WRITE, 0);
	/* The number can be used again. */
	harness_pair(again);
	number = again[0];
	assert_int_equal(number, fd[0]);
	set(number, 0, KERNEL_WRITE);
	expect(number, KERNEL_WRITE, KERNEL_WRITE);
	set(number, KERNEL_WRITE, 0);
	harness_close(again[0]);
	harness_close(again[1]);
	harness_close(fd[1]);
}

/* Registered for another file than it was: as if for the first time. */
static void test_number_reused_while_registered(void **state)
{
	int fd[2], again[2];

	(void)state;
	harness_pair(fd);
	set(fd[0], 0, KERNEL_READ);
	harness_close(fd[0]);
	expect_nothing();
	harness_pair(again);
	assert_int_equal(again[0], fd[0]);
	set(again[0], 0, KERNEL_READ);
	harness_send(again[1], "x");
	expect(again[0], KERNEL_READ, KERNEL_READ);
	set(again[0], KERNEL_READ, 0);
	harness_close(again[0]);
	harness_close(again[1]);
	harness_close(fd[1]);
}

static void always_ready(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int error;

	assert_return_code(fd, errno);
	error = kernel->set(self, fd, 0, KERNEL_READ | KERNEL_WRITE);
	if (error == 0) {
		expect(fd, KERNEL_READ | KERNEL_WRITE,
		       KERNEL_READ | KERNEL_WRITE);
		set(fd, KERNEL_READ | KERNEL_WRITE, 0);
	} else {
		assert_int_equal(error, -EPERM);
	}
	expect_nothing();
	harness_close(fd);
}

static void test_regular_files_never_wait(void **state)
{
	char path[] = "/tmp/bufev-kernel-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_return_code(fd, errno);
	harness_close(fd);
	/* Empty, so its end is where reading begins. */
	always_ready(path, O_RDWR);
	unlink(path);
	always_ready("/dev/null", O_RDWR);
}

static int run(const char *backend)
{
	const struct CMUnitTest tests[] = {
		kernel_test(test_timeout),
		kernel_test(test_read),
		kernel_test(test_write),
		kernel_test(test_every_change),
		kernel_test(test_half_close_is_no_loss),
		kernel_test(test_reset),
		kernel_test(test_reset_before),
		kernel_test(test_hang_up),
		kernel_test(test_loss_alone_does_not_spin),
		kernel_test(test_reading_goes_on_after_shutdown),
		kernel_test(test_pipe_reader_goes),
		kernel_test(test_pipe_reader_is_gone),
		kernel_test(test_pipe_reader_is_gone_for_both),
		kernel_test(test_pipe_writer_goes),
		kernel_test(test_bad_fd),
		kernel_test(test_a_place_in_the_file_system),
		kernel_test(test_closed_while_registered),
		kernel_test(test_number_reused_while_registered),
		kernel_test(test_regular_files_never_wait),
	};

	return cmocka_run_group_tests_name(backend, tests, NULL, NULL);
}

int main(void)
{
	return run_on_each(run);
}
