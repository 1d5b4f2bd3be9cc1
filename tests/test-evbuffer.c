/* SPDX-License-Identifier: MIT */

/*
 * Life, adding, taking, looking and filling; every way to add is held against
 * the same rules on limits, sizes and memory.
 */

#include <limits.h>
#include <stdio.h>
#include <wchar.h>

#include "bytes.h"

/* --- Every way to add ---------------------------------------------------- */

static int add(struct evbuffer *b, size_t n)
{
	return evbuffer_add(b, bytes_pattern(0), n);
}

static int add_pieces(struct evbuffer *b, size_t n)
{
	struct iovec v[3] = { { (void *)(uintptr_t)bytes_pattern(0), n / 2 },
			      { NULL, 0 },
			      { (void *)(uintptr_t)bytes_pattern(n / 2 % 1000),
				n - n / 2 } };

	return evbuffer_add_iovec(b, v, 3);
}

static int prepend(struct evbuffer *b, size_t n)
{
	return evbuffer_prepend(b, bytes_pattern(0), n);
}

static int reserve(struct evbuffer *b, size_t n)
{
	struct iovec v[2];
	int pieces = evbuffer_reserve(b, n, v);

	if (pieces > 0)
		assert_true(v[0].iov_len + v[1].iov_len >= n);
	return pieces < 0 ? -1 : 0;
}

static int print(struct evbuffer *b, size_t n)
{
	return evbuffer_add_printf(b, "%*s", (int)n, "") < 0 ? -1 : 0;
}

static const struct way {
	int (*add)(struct evbuffer *, size_t n);
	bool only_room; /* adds nothing as yet */
	bool no_size;	/* cannot be asked for a size beyond INT_MAX */
} ways[] = {
	{ add, false, false },
	{ add_pieces, false, false },
	{ prepend, false, false },
	{ print, false, true },
	{ evbuffer_expand, true, false },
	{ reserve, true, false },
};

#define for_each_way(w)                  \
	for (const struct way *w = ways; \
	     w != ways + sizeof(ways) / sizeof(ways[0]); w++)

static void nothing_is_added_past_the_limit(void **unused)
{
	(void)unused;
	for_each_way(w)
	{
		struct evbuffer *b = bytes_at(100, "sixty", 5);

		assert_int_equal(evbuffer_set_limit(b, 50), 0);
		bytes_fails(w->add(b, 46), ENOBUFS);
		bytes_expect_text(b, "sixty");
		assert_int_equal(w->add(b, 45), 0);
		assert_int_equal(evbuffer_get_length(b), w->only_room ? 5 : 50);
		evbuffer_free(b);
	}
}

static void a_limit_below_the_length_forbids_more(void **unused)
{
	(void)unused;
	for_each_way(w)
	{
		struct evbuffer *b = bytes_at(0, "0123456789", 10);

		assert_int_equal(evbuffer_set_limit(b, 5), 0);
		bytes_fails(w->add(b, 1), ENOBUFS);
		bytes_expect_text(b, "0123456789");
		assert_int_equal(evbuffer_set_limit(b, 0), 0);
		assert_int_equal(w->add(b, 1), 0);
		evbuffer_free(b);
	}
}

static void sizes_that_overflow_are_refused(void **unused)
{
	(void)unused;
	for_each_way(w)
	{
		struct evbuffer *b = bytes_at(100, "content", 7);

		if (!w->no_size) {
			bytes_fails(w->add(b, SIZE_MAX), EOVERFLOW);
			bytes_fails(w->add(b, SIZE_MAX - 7), EOVERFLOW);
			bytes_fails(w->add(b, (size_t)SSIZE_MAX + 1),
				    EOVERFLOW);
			bytes_fails(w->add(b, SSIZE_MAX - 6), EOVERFLOW);
			bytes_fails(w->add(b, SSIZE_MAX - 7), ENOMEM);
			bytes_fails(w->add(b, SSIZE_MAX / 4), ENOMEM);
			bytes_expect_text(b, "content");
			evbuffer_drain(b, 7);
			bytes_fails(w->add(b, (size_t)SSIZE_MAX + 1),
				    EOVERFLOW);
			bytes_fails(w->add(b, SSIZE_MAX), ENOMEM);
		}
		evbuffer_free(b);
	}
}

static void without_memory_nothing_changes(void **unused)
{
	(void)unused;
	for_each_way(w) for (size_t n = 0; n <= BYTES_STORAGE; n += 16)
	{
		struct evbuffer *b = bytes_at(90, bytes_pattern(0), n);
		const void *base = b->ring.base;

		ration.left = 0;
		bytes_fails(w->add(b, 1000), ENOMEM);
		bytes_fails(w->add(b, 100000), ENOMEM);
		ration.left = RATION_FREE;
		bytes_expect(b, bytes_pattern(0), n);
		assert_ptr_equal(b->ring.base, base);
		assert_int_equal(w->add(b, 1000), 0);
		evbuffer_free(b);
	}
}

/* Growth from every length and position, in steps from small to large. */
static void content_outlives_growth(void **unused)
{
	const size_t sizes[] = { 1, 100, 128, 129, 1000, 5000 };

	(void)unused;
	for_each_way(w) for (size_t i = 0; i < 6;
			     i++) for (size_t head = 0; head < BYTES_STORAGE;
				       head += 9)
	{
		struct evbuffer *b = bytes_at(head - 64, bytes_pattern(7), 120);
		size_t n = evbuffer_get_length(b);

		assert_int_equal(w->add(b, sizes[i]), 0);
		assert_true(bufev_evbuffer_valid(b));
		if (w->add == prepend)
			evbuffer_drain(b, sizes[i]);
		evbuffer_prepend(b, "", 1);
		assert_memory_equal(evbuffer_pullup(b, n + 1), "", 1);
		assert_memory_equal((char *)evbuffer_pullup(b, n + 1) + 1,
				    bytes_pattern(7), n);
		evbuffer_free(b);
	}
}

/* --- Life ---------------------------------------------------------------- */

static void a_new_buffer_owns_no_more_memory(void **unused)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];

	(void)unused;
	assert_int_equal(ration.held, 1);
	assert_int_equal(evbuffer_get_length(b), 0);
	assert_int_equal(evbuffer_peek(b, v), 0);
	assert_int_equal(evbuffer_add(b, NULL, 0), 0);
	assert_int_equal(evbuffer_add_iovec(b, NULL, 0), 0);
	assert_int_equal(evbuffer_prepend(b, NULL, 0), 0);
	assert_int_equal(evbuffer_expand(b, 0), 0);
	assert_int_equal(evbuffer_remove(b, NULL, 0), 0);
	assert_int_equal(evbuffer_remove(b, v, 10), 0);
	assert_int_equal(evbuffer_copy(b, 0, v, 10), 0);
	assert_int_equal(evbuffer_drain(b, 10), 0);
	assert_int_equal(ration.held, 1);
	evbuffer_free(b);
	assert_int_equal(ration.held, 0);
	evbuffer_free(NULL);
	ration.left = 0;
	errno = 0;
	assert_null(evbuffer_new());
	assert_int_equal(errno, ENOMEM);
}

static void storage_is_the_smallest_power_of_two(void **unused)
{
	(void)unused;
	assert_int_equal(bufev_evbuffer_cap(0), 128);
	assert_int_equal(bufev_evbuffer_cap(1), 128);
	assert_int_equal(bufev_evbuffer_cap(128), 128);
	assert_int_equal(bufev_evbuffer_cap(129), 256);
	assert_int_equal(bufev_evbuffer_cap(65536), 65536);
	assert_int_equal(bufev_evbuffer_cap(65537), 131072);
	assert_true(bufev_evbuffer_cap(SSIZE_MAX) == (size_t)SSIZE_MAX + 1);
	assert_true(bufev_evbuffer_cap((size_t)SSIZE_MAX + 1) ==
		    (size_t)SSIZE_MAX + 1);
	assert_int_equal(bufev_evbuffer_cap((size_t)SSIZE_MAX + 2), 0);
	assert_int_equal(bufev_evbuffer_cap(SIZE_MAX), 0);
}

/* What the files beside this one use for their own input. */
static void growth_knows_no_limit(void **unused)
{
	struct evbuffer *b = bytes_at(100, "content", 7);

	(void)unused;
	evbuffer_set_limit(b, 10);
	assert_int_equal(bufev_evbuffer_grow(b, 1000), 0);
	assert_true(bufev_ring_room(&b->ring) >= 1000);
	assert_int_equal(bufev_evbuffer_grow(b, SIZE_MAX), EOVERFLOW);
	assert_int_equal(bufev_evbuffer_grow(b, SSIZE_MAX - 7), ENOMEM);
	bytes_expect_text(b, "content");
	assert_int_equal(bufev_evbuffer_admits(b), 3);
	evbuffer_free(b);
}

/* A million bytes by one each: storage doubles, so it is asked for rarely. */
static void growth_is_amortised(void **unused)
{
	struct evbuffer *b = evbuffer_new();
	long before = ration.asked;

	(void)unused;
	for (size_t i = 0; i < 1 << 20; i++)
		evbuffer_add(b, bytes_pattern(i), 1);
	assert_true(ration.asked - before <= 14);
	bytes_expect(b, bytes_pattern(0), 1 << 20);
	assert_int_equal(bufev_ring_cap(&b->ring), 1 << 20);
	bufev_evbuffer_reset(b);
	assert_int_equal(evbuffer_get_length(b), 0);
	assert_int_equal(ration.held, 1);
	evbuffer_free(b);
}

static void a_standalone_buffer_keeps_its_storage(void **unused)
{
	struct evbuffer *b = bytes_at(0, bytes_pattern(0), 1000);
	long before = ration.asked;

	(void)unused;
	for (int i = 0; i < 100; i++) {
		evbuffer_drain(b, SIZE_MAX);
		evbuffer_add(b, bytes_pattern(0), 1000);
	}
	assert_int_equal(ration.asked, before);
	evbuffer_free(b);
}

static void expanded_room_needs_no_memory(void **unused)
{
	struct evbuffer *b = bytes_at(100, "head", 4);

	(void)unused;
	assert_int_equal(evbuffer_expand(b, 5000), 0);
	ration.left = 0;
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(evbuffer_add(b, bytes_pattern(i), 1), 0);
	evbuffer_drain(b, 4);
	bytes_expect(b, bytes_pattern(0), 5000);
	evbuffer_free(b);
}

/* --- Adding -------------------------------------------------------------- */

static void pieces_are_added_in_order_or_not_at_all(void **unused)
{
	struct evbuffer *b = bytes_at(126, "0", 1);
	struct iovec v[] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 } };
	struct iovec huge[] = { { NULL, SIZE_MAX }, { NULL, 2 } };
	struct iovec large[] = { { NULL, SSIZE_MAX }, { NULL, SSIZE_MAX } };

	(void)unused;
	assert_int_equal(evbuffer_add_iovec(b, v, 3), 0);
	bytes_expect_text(b, "0abcde");
	bytes_fails(evbuffer_add_iovec(b, v, -1), EINVAL);
	bytes_fails(evbuffer_add_iovec(b, huge, 2), EOVERFLOW);
	bytes_fails(evbuffer_add_iovec(b, large, 2), EOVERFLOW);
	bytes_expect_text(b, "0abcde");
	evbuffer_free(b);
}

/* Every length about the end of the storage, from every position. */
static void print_fits_wherever_it_is(void **unused)
{
	char text[300];

	(void)unused;
	for (size_t head = 0; head < BYTES_STORAGE; head += 3)
		for (int n = 0; n < 280; n += 7) {
			struct evbuffer *b = bytes_at(head, "<", 1);

			snprintf(text, sizeof(text), "<%0*d>", n, 7);
			assert_int_equal(evbuffer_add_printf(b, "%0*d>", n, 7),
					 strlen(text) - 1);
			bytes_expect_text(b, text);
			evbuffer_free(b);
		}
}

static void print_fills_the_last_byte(void **unused)
{
	struct evbuffer *b = bytes_at(40, bytes_pattern(0), 100);

	(void)unused;
	evbuffer_drain(b, 70);
	assert_int_equal(evbuffer_add_printf(b, "%098d", 1), 98);
	assert_int_equal(evbuffer_get_length(b), 128);
	evbuffer_drain(b, 127);
	bytes_expect_text(b, "1");
	evbuffer_free(b);
}

/* Also where a part was already printed behind the content. */
static void print_that_fails_adds_nothing(void **unused)
{
	struct evbuffer *b = bytes_at(0, "x", 1);
	const wchar_t no_character[] = { 0x7fffffff, 0 };

	(void)unused;
	bytes_fails(evbuffer_add_printf(b, "ab%ls", no_character), EILSEQ);
	bytes_expect_text(b, "x");
	evbuffer_free(b);
}

/* Room is there, but the wrap divides it, and there is no memory aside. */
static void print_aside_needs_memory(void **unused)
{
	struct evbuffer *b = bytes_at(50, bytes_pattern(0), 70);

	(void)unused;
	evbuffer_drain(b, 60);
	ration.left = 0;
	bytes_fails(evbuffer_add_printf(b, "%090d", 1), ENOMEM);
	bytes_expect(b, bytes_pattern(60), 10);
	ration.left = RATION_FREE;
	assert_int_equal(evbuffer_add_printf(b, "%090d", 1), 90);
	assert_int_equal(bufev_ring_cap(&b->ring), 128);
	evbuffer_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(nothing_is_added_past_the_limit),
		ration_test(a_limit_below_the_length_forbids_more),
		ration_test(sizes_that_overflow_are_refused),
		ration_test(without_memory_nothing_changes),
		ration_test(content_outlives_growth),
		ration_test(a_new_buffer_owns_no_more_memory),
		ration_test(storage_is_the_smallest_power_of_two),
		ration_test(growth_knows_no_limit),
		ration_test(growth_is_amortised),
		ration_test(a_standalone_buffer_keeps_its_storage),
		ration_test(expanded_room_needs_no_memory),
		ration_test(pieces_are_added_in_order_or_not_at_all),
		ration_test(print_fits_wherever_it_is),
		ration_test(print_fills_the_last_byte),
		ration_test(print_that_fails_adds_nothing),
		ration_test(print_aside_needs_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
