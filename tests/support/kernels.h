/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_KERNELS_H
#define TESTS_SUPPORT_KERNELS_H

/*
 * For tests of the backends, each through its table alone: the one that
 * $BUFEV_BACKEND names, or all.
 *
 * Backends may differ in one thing: with a loss they report all that was
 * wanted, or leave that to the caller.  So expect() looks at a loss as the
 * caller does.  And a wait may end early with nothing (EINTR, which an io_uring
 * that is closed causes, too; a writable descriptor under kqueue when only a
 * loss is wanted), so what waits tries more than once.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "kernel.h"

static const struct kernel *kernel;
static void *self;

static struct kernel_event events[KERNEL_BATCH];
static int count;

static inline int kernel_setup(void **state)
{
	if (harness_setup(state) < 0)
		return -1;
	self = kernel->open();
	return self ? 0 : -1;
}

static inline int kernel_teardown(void **state)
{
	kernel->close(self);
	return harness_teardown(state);
}

static inline void set(int fd, unsigned was, unsigned wanted)
{
	assert_int_equal(kernel->set(self, fd, was, wanted), 0);
}

/* One event for each descriptor, at most KERNEL_BATCH. */
static inline int wait_ms(int timeout_ms)
{
	count = kernel->wait(self, events, timeout_ms);
	assert_in_range(count, 0, KERNEL_BATCH);
	for (int i = 0; i < count; i++) {
		assert_int_not_equal(events[i].events, 0);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(events[i].fd, events[j].fd);
	}
	return count;
}

static inline void wait_for_event(void)
{
	for (int i = 0; i < 10; i++)
		if (wait_ms(1000) > 0)
			return;
	fail_msg("no event in 10 waits");
}

static inline unsigned reported(int fd)
{
	for (int i = 0; i < count; i++)
		if (events[i].fd == fd)
			return events[i].events;
	return 0;
}

/*
 * Nothing is reported, and a wait lasts as long as it was told: one in ten at
 * least, as each may end early.
 */
static inline void expect_sleep(void)
{
	enum { SLEEP_MS = 20, NS_PER_MS = 1000000 };
	uint64_t begin;

	for (int i = 0; i < 10; i++) {
		begin = kernel->now(self);
		assert_int_equal(wait_ms(SLEEP_MS), 0);
		if (kernel->now(self) - begin >= SLEEP_MS * NS_PER_MS)
			return;
	}
	fail_msg("10 waits of %d ms ended early", SLEEP_MS);
}

/*
 * The next event is fd's, and says so much of what was wanted; with a loss the
 * rest of what was wanted may be there or not.
 */
static inline void expect(int fd, unsigned wanted, unsigned bits)
{
	unsigned said;

	wait_for_event();
	assert_int_equal(count, 1);
	said = reported(fd);
	assert_int_equal(said & KERNEL_LOSS, bits & KERNEL_LOSS);
	if (bits & KERNEL_LOSS)
		said |= wanted;
	assert_int_equal(said & (KERNEL_READ | KERNEL_WRITE),
			 bits & (KERNEL_READ | KERNEL_WRITE));
}

/* What is sent on loopback arrives at once: no need to wait for it. */
static inline void expect_nothing(void)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(wait_ms(0), 0);
}

static inline void open_pipe(int fd[2])
{
	assert_return_code(pipe2(fd, O_CLOEXEC), errno);
}

#define kernel_test(f) \
	cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)

/* Runs the group on each table; how many tests have failed. */
static inline int run_on_each(int (*run)(const char *backend))
{
	const char *only = getenv("BUFEV_BACKEND");
	int failed = 0;

	for (const struct kernel *const *k = bufev_kernels; *k; k++) {
		if (only && *only && strcmp((*k)->name, only) != 0)
			continue;
		kernel = *k;
		failed += run(kernel->name);
	}
	return failed;
}

#endif
