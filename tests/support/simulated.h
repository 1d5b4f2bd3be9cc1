/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SIMULATED_H
#define TESTS_SUPPORT_SIMULATED_H

/*
 * A fixture whose reactor is simulated: at the end of a test no simulated
 * descriptor may be open.
 */

#include <errno.h>
#include <string.h>

#include <bufev/sim.h>

#include "harness.h"

enum { SIMULATED_SEED = 20240229 };

static inline int simulated_setup(void **state)
{
	struct fixture *f;

	if (harness_setup(state) != 0)
		return -1;
	f = *state;
	reactor_free(f->reactor);
	f->reactor = sim_new(SIMULATED_SEED);
	return f->reactor ? 0 : -1;
}

static inline int simulated_teardown(void **state)
{
	struct fixture *f = *state;
	size_t open = sim_open_fds(f->reactor);

	if (open > 0)
		print_error("%zu simulated descriptors are open\n", open);
	return harness_teardown(state) == 0 && open == 0 ? 0 : -1;
}

#define simulated_test(f) \
	cmocka_unit_test_setup_teardown(f, simulated_setup, simulated_teardown)

static inline struct reactor *simulated_reactor(void **state)
{
	struct fixture *f = *state;

	return f->reactor;
}

static inline void simulated_pair(struct reactor *r, int fd[2])
{
	assert_int_equal(sim_pair(r, fd), 0);
}

/* Reads; the bytes must be those of the text. */
static inline void simulated_gets(struct reactor *r, int fd, const char *text)
{
	char got[256];
	ssize_t n = sim_read(r, fd, got, sizeof(got) - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static inline void simulated_says(struct reactor *r, int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(sim_write(r, fd, text, n), n);
}

/* The call fails with this errno. */
#define simulated_fails(call, error)            \
	do {                                    \
		errno = 0;                      \
		assert_int_equal((call), -1);   \
		assert_int_equal(errno, error); \
	} while (0)

#endif
