/* SPDX-License-Identifier: MIT */

/*
 * The ring, at every position and every length of small storage; the positions
 * are also those where the free-running counters overflow.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"

enum { ORDER = 3, CAP = 1 << ORDER, HEADS = 4 * CAP };

static const unsigned char text[] = "abcdefghijklmnopqrstuvwxyz";

/* Two rounds about 0, where the counters overflow, among others. */
static size_t nth_head(size_t i)
{
	return i - 2 * CAP;
}

/* A ring on `base` with the first n bytes of the text, from `head` on. */
static struct ring ring_at(unsigned char *base, size_t head, size_t n)
{
	struct ring r = { base, head, head, ORDER, false };

	memset(base, '.', CAP);
	bufev_ring_append(&r, text, n);
	assert_true(bufev_ring_valid(&r));
	assert_int_equal(bufev_ring_length(&r), n);
	assert_int_equal(bufev_ring_room(&r), CAP - n);
	return r;
}

static void expect(const struct ring *r, const void *bytes, size_t n)
{
	unsigned char out[64];

	assert_true(bufev_ring_valid(r));
	assert_int_equal(bufev_ring_length(r), n);
	assert_true(n <= sizeof(out));
	bufev_ring_copy(r, 0, out, n);
	assert_memory_equal(out, bytes, n);
}

/* Calls it with every position and every length. */
static void everywhere(void (*test)(size_t head, size_t n))
{
	for (size_t i = 0; i < HEADS; i++)
		for (size_t n = 0; n <= CAP; n++)
			test(nth_head(i), n);
}

static void all_zero_is_empty(void **unused)
{
	struct ring r = { .base = NULL };
	struct iovec v[2] = { { &r, 1 }, { &r, 1 } };

	(void)unused;
	assert_true(bufev_ring_valid(&r));
	assert_int_equal(bufev_ring_length(&r), 0);
	assert_int_equal(bufev_ring_room(&r), 0);
	assert_int_equal(bufev_ring_bytes(&r, 0, 0, v), 0);
	assert_int_equal(v[0].iov_len + v[1].iov_len, 0);
	assert_int_equal(bufev_ring_space(&r, 0, v), 0);
	bufev_ring_append(&r, NULL, 0);
	bufev_ring_prepend(&r, NULL, 0);
	bufev_ring_copy(&r, 0, NULL, 0);
	bufev_ring_move(&r, NULL, 0);
	assert_true(bufev_ring_valid(&r));
}

static void what_is_broken_is_not_valid(void **unused)
{
	unsigned char base[CAP];
	const struct ring broken[] = {
		{ base, 0, 0, 64, false },    /* larger than memory */
		{ NULL, 0, 0, ORDER, false }, /* no storage */
		{ base, 0, 0, 0, false },     /* storage of no size */
		{ base, 0, CAP + 1, ORDER, false },
		{ base, 1, 0, ORDER, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_false(bufev_ring_valid(&broken[i]));
}

/* The pieces are the n bytes of the text from `from` on, as few as can be. */
static void expect_pieces(const struct ring *r, size_t from, size_t n)
{
	struct iovec v[2];
	int count = bufev_ring_bytes(r, from, n, v);
	size_t offset = (r->head + from) & (CAP - 1);
	int needed = n == 0 ? 0 : offset + n <= CAP ? 1 : 2;

	assert_int_equal(count, needed);
	assert_int_equal(v[0].iov_len + v[1].iov_len, n);
	for (int i = 0; i < 2; i++)
		assert_int_equal(v[i].iov_len > 0, i < count);
	if (count > 0)
		assert_memory_equal(v[0].iov_base, text + from, v[0].iov_len);
	if (count > 1)
		assert_memory_equal(v[1].iov_base, text + from + v[0].iov_len,
				    v[1].iov_len);
}

static void look_at_parts(size_t head, size_t n)
{
	unsigned char base[CAP], out[CAP];
	struct ring r = ring_at(base, head, n);

	for (size_t from = 0; from <= n; from++)
		for (size_t part = 0; part <= n - from; part++) {
			expect_pieces(&r, from, part);
			bufev_ring_copy(&r, from, out, part);
			assert_memory_equal(out, text + from, part);
		}
}

static void any_run_of_bytes_is_two_pieces_at_most(void **unused)
{
	(void)unused;
	everywhere(look_at_parts);
}

static void fill_space(size_t head, size_t n)
{
	unsigned char base[CAP];
	struct ring r = ring_at(base, head, n);
	struct iovec v[2];
	int count = bufev_ring_space(&r, CAP - n, v);

	assert_int_equal(v[0].iov_len + v[1].iov_len, CAP - n);
	if (count > 0)
		memcpy(v[0].iov_base, text + n, v[0].iov_len);
	if (count > 1)
		memcpy(v[1].iov_base, text + n + v[0].iov_len, v[1].iov_len);
	expect(&r, text, n);
	bufev_ring_commit(&r, CAP - n);
	expect(&r, text, CAP);
}

static void all_of_the_room_can_be_filled(void **unused)
{
	(void)unused;
	everywhere(fill_space);
}

static void put_before(size_t head, size_t n)
{
	unsigned char base[CAP];

	for (size_t before = 0; before <= CAP - n; before++) {
		struct ring r = { base, head, head, ORDER, false };

		bufev_ring_append(&r, text + before, n);
		bufev_ring_prepend(&r, text, before);
		expect(&r, text, before + n);
	}
}

static void bytes_are_put_before_the_first(void **unused)
{
	(void)unused;
	everywhere(put_before);
}

static void take_from_the_front(size_t head, size_t n)
{
	unsigned char base[CAP];

	for (size_t gone = 0; gone <= n; gone++) {
		struct ring r = ring_at(base, head, n);

		bufev_ring_drain(&r, gone);
		expect(&r, text + gone, n - gone);
		bufev_ring_append(&r, text + n, CAP - n + gone);
		expect(&r, text + gone, CAP);
	}
}

static void what_is_drained_is_room(void **unused)
{
	(void)unused;
	everywhere(take_from_the_front);
}

static void move_away(size_t head, size_t n)
{
	unsigned char base[CAP], other[4 * CAP];

	for (size_t cap = 2; cap <= sizeof(other); cap *= 2) {
		struct ring r = ring_at(base, head, n);

		if (cap < n)
			continue;
		bufev_ring_move(&r, other, cap);
		assert_ptr_equal(r.base, other);
		assert_int_equal(bufev_ring_cap(&r), cap);
		assert_int_equal(r.head, 0);
		memset(base, '.', CAP);
		expect(&r, text, n);
	}
}

static void bytes_move_to_the_front_of_other_storage(void **unused)
{
	(void)unused;
	everywhere(move_away);
}

static void grow(size_t head, size_t n)
{
	unsigned char base[4 * CAP];

	for (size_t cap = 2 * CAP; cap <= sizeof(base); cap *= 2) {
		struct ring r = ring_at(base, head, n);
		struct iovec v[2];

		memset(base + CAP, '.', sizeof(base) - CAP);
		bufev_ring_grown(&r, base, cap);
		assert_int_equal(bufev_ring_cap(&r), cap);
		expect(&r, text, n);
		assert_int_equal(bufev_ring_bytes(&r, 0, n, v), n > 0);
		bufev_ring_append(&r, text + n, CAP);
		expect(&r, text, n + CAP);
	}
}

static void storage_grows_about_the_bytes(void **unused)
{
	(void)unused;
	everywhere(grow);
}

static void storage_grows_from_nothing(void **unused)
{
	unsigned char base[CAP];
	struct ring r = { .base = NULL };

	(void)unused;
	bufev_ring_grown(&r, base, CAP);
	expect(&r, text, 0);
	bufev_ring_append(&r, text, CAP);
	expect(&r, text, CAP);
}

/* One byte in and one out, so that head and tail pass 0 and the wrap. */
static void the_counters_may_overflow(void **unused)
{
	unsigned char base[CAP], c;
	struct ring r = { base, SIZE_MAX - 100, SIZE_MAX - 100, ORDER, false };

	(void)unused;
	bufev_ring_append(&r, "x", 1);
	for (unsigned i = 0; i < 300; i++) {
		bufev_ring_append(&r, &(unsigned char){ i & 0xff }, 1);
		bufev_ring_copy(&r, 1, &c, 1);
		assert_int_equal(c, i & 0xff);
		bufev_ring_drain(&r, 1);
		assert_int_equal(bufev_ring_length(&r), 1);
		assert_true(bufev_ring_valid(&r));
	}
	assert_true(r.head < 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_zero_is_empty),
		cmocka_unit_test(what_is_broken_is_not_valid),
		cmocka_unit_test(any_run_of_bytes_is_two_pieces_at_most),
		cmocka_unit_test(all_of_the_room_can_be_filled),
		cmocka_unit_test(bytes_are_put_before_the_first),
		cmocka_unit_test(what_is_drained_is_room),
		cmocka_unit_test(bytes_move_to_the_front_of_other_storage),
		cmocka_unit_test(storage_grows_about_the_bytes),
		cmocka_unit_test(storage_grows_from_nothing),
		cmocka_unit_test(the_counters_may_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
