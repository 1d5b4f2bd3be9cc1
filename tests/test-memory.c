/* SPDX-License-Identifier: MIT */

/* All memory comes from the allocator that the application has set. */

#include <errno.h>
#include <stdint.h>

#include "memory.h"
#include "ration.h"

static void both_or_neither(void **unused)
{
	(void)unused;
	errno = 0;
	assert_int_equal(bufev_set_allocator(ration_allocate, NULL), -1);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(bufev_set_allocator(NULL, ration_release), -1);
	assert_int_equal(errno, EINVAL);
	/* The one in force is the one before. */
	bufev_memory_free(bufev_memory_resize(NULL, 1));
	assert_int_equal(ration.asked, 1);
	assert_int_equal(bufev_set_allocator(NULL, NULL), 0);
	bufev_memory_free(bufev_memory_resize(NULL, 1));
	assert_int_equal(ration.asked, 1);
}

static void a_new_piece_is_zeroed(void **unused)
{
	unsigned char *p = bufev_memory_zeroed(100);

	(void)unused;
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	bufev_memory_free(p);
}

static void resizing_keeps_the_content(void **unused)
{
	unsigned char *p = bufev_memory_resize(NULL, 1);

	(void)unused;
	p[0] = 'x';
	p = bufev_memory_resize(p, 100000);
	assert_int_equal(p[0], 'x');
	assert_int_equal(ration.held, 1);
	bufev_memory_free(p);
}

static void what_cannot_be_had_is_enomem(void **unused)
{
	(void)unused;
	ration.left = 0;
	errno = 0;
	assert_null(bufev_memory_resize(NULL, 1));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(bufev_memory_zeroed(1));
	assert_int_equal(errno, ENOMEM);
	bufev_memory_free(NULL);
}

static void no_allocator_is_asked_for_the_impossible(void **unused)
{
	(void)unused;
	errno = 0;
	assert_null(bufev_memory_resize(NULL, (size_t)PTRDIFF_MAX + 1));
	assert_int_equal(errno, ENOMEM);
	assert_null(bufev_memory_zeroed(SIZE_MAX));
	assert_int_equal(ration.asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(both_or_neither),
		ration_test(a_new_piece_is_zeroed),
		ration_test(resizing_keeps_the_content),
		ration_test(what_cannot_be_had_is_enomem),
		ration_test(no_allocator_is_asked_for_the_impossible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
