/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_RATION_H
#define TESTS_SUPPORT_RATION_H

/*
 * ration: an allocator that gives out as much as a test says, and counts.
 *
 * It stands in for the C library's from ration_setup() to ration_teardown(),
 * which insists that all was given back; in between `ration.left` says how
 * many more allocations succeed, and `ration.fails` how many after these do
 * not.  What is larger than a test has any use for fails in any case, so that
 * sizes beyond reason need no machine to match.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <bufev.h>

enum { RATION_FREE = -1, RATION_FOR_GOOD = -1, RATION_LARGEST = 1 << 28 };

static struct {
	long left;    /* RATION_FREE: as many as are wanted */
	long fails;   /* then; RATION_FOR_GOOD: all */
	long held;    /* pieces that have not been given back */
	long asked;   /* how often there was a call */
	long refused; /* and how often it failed for the ration */
} ration;

static inline bool ration_refuses(void)
{
	if (ration.left != 0 || ration.fails == 0)
		return false;
	if (ration.fails > 0)
		ration.fails--;
	ration.refused++;
	return true;
}

static inline void *ration_allocate(void *old, size_t n)
{
	void *p;

	ration.asked++;
	if (ration_refuses() || n > RATION_LARGEST)
		return NULL;
	p = realloc(old, n);
	if (ration.left > 0)
		ration.left--;
	if (!old)
		ration.held++;
	return p;
}

static inline void ration_release(void *p)
{
	assert_non_null(p);
	ration.held--;
	free(p);
}

static inline int ration_setup(void **state)
{
	(void)state;
	ration.left = RATION_FREE;
	ration.fails = RATION_FOR_GOOD;
	ration.held = 0;
	ration.asked = 0;
	ration.refused = 0;
	return bufev_set_allocator(ration_allocate, ration_release);
}

static inline int ration_teardown(void **state)
{
	(void)state;
	bufev_set_allocator(NULL, NULL);
	return ration.held == 0 ? 0 : -1;
}

#define ration_test(f) \
	cmocka_unit_test_setup_teardown(f, ration_setup, ration_teardown)

#endif
