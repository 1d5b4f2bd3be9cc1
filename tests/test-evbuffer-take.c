/* SPDX-License-Identifier: MIT */

/* Taking, looking and lending; and what the owner of a buffer is told. */

#include "bytes.h"

/* --- Taking and looking -------------------------------------------------- */

static void bytes_come_out_in_order(void **unused)
{
	unsigned char out[BYTES_STORAGE];

	(void)unused;
	for (size_t i = 0; i < 2 * BYTES_STORAGE; i++) {
		struct evbuffer *b =
			bytes_at(i - BYTES_STORAGE, bytes_pattern(0), 120);

		assert_int_equal(evbuffer_remove(b, out, 50), 50);
		assert_memory_equal(out, bytes_pattern(0), 50);
		assert_int_equal(evbuffer_drain(b, 7), 7);
		assert_int_equal(evbuffer_remove(b, out, SIZE_MAX), 63);
		assert_memory_equal(out, bytes_pattern(57), 63);
		assert_int_equal(evbuffer_get_length(b), 0);
		assert_int_equal(evbuffer_drain(b, 1), 0);
		evbuffer_free(b);
	}
}

static void a_copy_takes_nothing(void **unused)
{
	struct evbuffer *b = bytes_at(100, bytes_pattern(0), 120);
	unsigned char out[BYTES_STORAGE];

	(void)unused;
	for (size_t from = 0; from <= 120; from++) {
		assert_int_equal(evbuffer_copy(b, from, out, SIZE_MAX),
				 120 - from);
		assert_memory_equal(out, bytes_pattern(from), 120 - from);
		assert_int_equal(evbuffer_copy(b, from, out, 3),
				 from < 117 ? 3 : 120 - from);
	}
	assert_int_equal(evbuffer_copy(b, 121, out, 1), 0);
	assert_int_equal(evbuffer_copy(b, SIZE_MAX, out, SIZE_MAX), 0);
	bytes_expect(b, bytes_pattern(0), 120);
	evbuffer_free(b);
}

/* A byte in for a byte out, for several rounds of the storage. */
static void a_full_buffer_goes_round(void **unused)
{
	struct evbuffer *b = bytes_at(SIZE_MAX - 200, bytes_pattern(0), 128);
	unsigned char c;

	(void)unused;
	for (size_t i = 0; i < 500; i++) {
		bytes_expect(b, bytes_pattern(i), 128);
		assert_int_equal(evbuffer_remove(b, &c, 1), 1);
		assert_int_equal(c, *bytes_pattern(i));
		assert_int_equal(evbuffer_add(b, bytes_pattern(i + 128), 1), 0);
	}
	assert_int_equal(bufev_ring_cap(&b->ring), 128);
	evbuffer_free(b);
}

static void prepended_bytes_come_first(void **unused)
{
	(void)unused;
	for (size_t head = 0; head < BYTES_STORAGE; head++)
		for (size_t n = 0; n < 200; n += 11) {
			struct evbuffer *b =
				bytes_at(head, bytes_pattern(n), 100);

			assert_int_equal(
				evbuffer_prepend(b, bytes_pattern(0), n), 0);
			bytes_expect(b, bytes_pattern(0), n + 100);
			evbuffer_free(b);
		}
}

static void pullup_makes_the_front_flat(void **unused)
{
	(void)unused;
	for (size_t head = 0; head < BYTES_STORAGE; head++)
		for (size_t n = 1; n <= 100; n += 3) {
			struct evbuffer *b =
				bytes_at(head, bytes_pattern(0), 100);

			assert_memory_equal(evbuffer_pullup(b, n),
					    bytes_pattern(0), n);
			bytes_expect(b, bytes_pattern(0), 100);
			assert_memory_equal(evbuffer_pullup(b, SIZE_MAX),
					    bytes_pattern(0), 100);
			assert_int_equal(bufev_ring_cap(&b->ring),
					 BYTES_STORAGE);
			evbuffer_free(b);
		}
}

static void pullup_moves_only_what_is_divided(void **unused)
{
	struct evbuffer *b = bytes_at(100, bytes_pattern(0), 100);
	const void *base = b->ring.base;

	(void)unused;
	ration.left = 0;
	assert_ptr_equal(evbuffer_pullup(b, 28), b->ring.base + 100);
	errno = 0;
	assert_null(evbuffer_pullup(b, 29));
	assert_int_equal(errno, ENOMEM);
	assert_ptr_equal(b->ring.base, base);
	bytes_expect(b, bytes_pattern(0), 100);
	evbuffer_free(b);
}

static void pullup_of_nothing_or_too_much_is_null(void **unused)
{
	struct evbuffer *b = bytes_at(0, "abc", 3);

	(void)unused;
	errno = 0;
	assert_null(evbuffer_pullup(b, 0));
	assert_int_equal(errno, 0);
	assert_null(evbuffer_pullup(b, 4));
	assert_int_equal(errno, EINVAL);
	assert_null(evbuffer_pullup(b, SIZE_MAX - 1));
	bytes_expect_text(b, "abc");
	evbuffer_drain(b, 3);
	errno = 0;
	assert_null(evbuffer_pullup(b, SIZE_MAX));
	assert_int_equal(errno, 0);
	evbuffer_free(b);
}

/* --- Lending ------------------------------------------------------------- */

/* Writes n bytes of the pattern into the pieces; the pieces hold more. */
static void fill(const struct iovec v[2], const unsigned char *data, size_t n)
{
	size_t first = n < v[0].iov_len ? n : v[0].iov_len;

	memcpy(v[0].iov_base, data, first);
	if (first < n)
		memcpy(v[1].iov_base, data + first, n - first);
}

static void what_is_committed_is_added(void **unused)
{
	struct iovec v[2];

	(void)unused;
	for (size_t head = 0; head < BYTES_STORAGE; head++)
		for (size_t n = 1; n < 150; n += 13) {
			struct evbuffer *b =
				bytes_at(head, bytes_pattern(0), 30);
			int pieces = evbuffer_reserve(b, n, v);

			assert_in_range(pieces, 1, 2);
			assert_int_equal(v[1].iov_len > 0, pieces == 2);
			assert_true(v[0].iov_len + v[1].iov_len >= n);
			fill(v, bytes_pattern(30), n);
			bytes_expect(b, bytes_pattern(0), 30);
			assert_int_equal(evbuffer_commit(b, n), 0);
			bytes_expect(b, bytes_pattern(0), 30 + n);
			evbuffer_free(b);
		}
}

static void what_was_emptied_lends_its_room_in_one_piece(void **unused)
{
	struct evbuffer *b = bytes_at(100, "abc", 3);
	struct iovec v[2];

	(void)unused;
	assert_int_equal(evbuffer_drain(b, 3), 3);
	assert_int_equal(evbuffer_reserve(b, 1, v), 1);
	assert_int_equal(v[0].iov_len, BYTES_STORAGE);
	evbuffer_free(b);
}

static void no_more_is_committed_than_was_lent(void **unused)
{
	struct evbuffer *b = bytes_at(100, "abc", 3);
	struct iovec v[2];

	(void)unused;
	bytes_fails(evbuffer_commit(b, 0), EINVAL);
	bytes_fails(evbuffer_reserve(b, 0, v), EINVAL);
	bytes_fails(evbuffer_commit(b, 0), EINVAL);
	/* All of the room is lent, and no more. */
	assert_int_equal(evbuffer_reserve(b, 1, v), 2);
	assert_int_equal(v[0].iov_len + v[1].iov_len, 125);
	bytes_fails(evbuffer_commit(b, 126), EINVAL);
	bytes_fails(evbuffer_commit(b, SIZE_MAX), EINVAL);
	bytes_expect_text(b, "abc");
	/* A call that failed has changed nothing. */
	fill(v, bytes_pattern(0), 125);
	assert_int_equal(evbuffer_commit(b, 125), 0);
	bytes_fails(evbuffer_commit(b, 0), EINVAL);
	assert_int_equal(evbuffer_get_length(b), 128);
	evbuffer_free(b);
}

static void the_limit_bounds_what_is_lent(void **unused)
{
	struct evbuffer *b = bytes_at(0, "abc", 3);
	struct iovec v[2];

	(void)unused;
	assert_int_equal(evbuffer_set_limit(b, 10), 0);
	bytes_fails(evbuffer_reserve(b, 8, v), ENOBUFS);
	assert_int_equal(evbuffer_reserve(b, 2, v), 1);
	assert_int_equal(v[0].iov_len, 7);
	bytes_fails(evbuffer_commit(b, 8), EINVAL);
	evbuffer_free(b);
}

enum { CALLS = 14 };

/* Each call with an argument that is not const, one that fails among them. */
static void call(struct evbuffer *b, struct evbuffer *other, int which)
{
	struct iovec v = { "x", 1 };
	char c;

	switch (which) {
	case 0:
		evbuffer_add(b, "x", 1);
		break;
	case 1:
		evbuffer_add(b, NULL, 0);
		break;
	case 2:
		evbuffer_add_iovec(b, &v, 1);
		break;
	case 3:
		evbuffer_add_printf(b, "x");
		break;
	case 4:
		evbuffer_prepend(b, "x", 1);
		break;
	case 5:
		evbuffer_add_buffer(b, other);
		break;
	case 6:
		evbuffer_add_buffer(other, b);
		break;
	case 7:
		evbuffer_remove(b, &c, 1);
		break;
	case 8:
		evbuffer_drain(b, 1);
		break;
	case 9:
		evbuffer_pullup(b, 1);
		break;
	case 10:
		evbuffer_expand(b, 1);
		break;
	case 11:
		evbuffer_set_limit(b, 0);
		break;
	case 12:
		free(evbuffer_readln(b, NULL, EVBUFFER_EOL_LF));
		break;
	case 13:
		free(evbuffer_readline(b));
		break;
	}
}

static void the_next_call_ends_a_reservation(void **unused)
{
	struct iovec v[2];

	(void)unused;
	for (int i = 0; i < CALLS; i++) {
		struct evbuffer *b = bytes_at(0, "ab\ncd", 5);
		struct evbuffer *other = bytes_at(0, "other", 5);

		assert_true(evbuffer_reserve(b, 10, v) > 0);
		call(b, other, i);
		bytes_fails(evbuffer_commit(b, 1), EINVAL);
		evbuffer_free(b);
		evbuffer_free(other);
	}
}

static void looking_ends_no_reservation(void **unused)
{
	struct evbuffer *b = bytes_at(0, "ab\ncd", 5);
	struct iovec v[2], pieces[2];
	char c;

	(void)unused;
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_get_length(b), 5);
	assert_int_equal(evbuffer_peek(b, pieces), 1);
	assert_int_equal(evbuffer_copy(b, 0, &c, 1), 1);
	assert_int_equal(evbuffer_search(b, 0, "c", 1), 3);
	assert_int_equal(evbuffer_search_eol(b, 0, EVBUFFER_EOL_LF, NULL), 2);
	assert_int_equal(evbuffer_commit(b, 0), 0);
	bytes_expect_text(b, "ab\ncd");
	evbuffer_free(b);
}

/* --- The owner ----------------------------------------------------------- */

static int told;
static int objection;

static void note(struct evbuffer *b)
{
	assert_true(bufev_evbuffer_valid(b));
	told++;
}

static int object(const struct evbuffer *b, size_t max)
{
	(void)b;
	return max == 13 ? objection : 0;
}

static const struct evbuffer_owner owner = { note, object };

static void the_owner_is_told_of_each_change(void **unused)
{
	/* Not the calls that leave the content alone. */
	const char *changes = "1-1111111--111";
	struct iovec v[2];

	(void)unused;
	for (int i = 0; i < CALLS; i++) {
		struct evbuffer *b = bytes_at(0, "ab\ncd", 5);
		struct evbuffer *other = bytes_at(0, "other", 5);

		b->owner = &owner;
		told = 0;
		call(b, other, i);
		if (changes[i] == '1')
			assert_int_equal(told, 1);
		assert_true(evbuffer_reserve(b, 10, v) > 0);
		told = 0;
		assert_int_equal(evbuffer_commit(b, 1), 0);
		assert_int_equal(told, 1);
		b->owner = NULL;
		evbuffer_free(b);
		evbuffer_free(other);
	}
}

static void the_owner_is_not_told_of_what_failed(void **unused)
{
	struct evbuffer *b = bytes_at(0, "abc", 3);
	struct iovec v[2];

	(void)unused;
	b->owner = &owner;
	told = 0;
	bytes_fails(evbuffer_add(b, "", SIZE_MAX), EOVERFLOW);
	bytes_fails(evbuffer_commit(b, 1), EINVAL);
	bytes_fails(evbuffer_reserve(b, 0, v), EINVAL);
	bytes_fails(evbuffer_add_buffer(b, b), EINVAL);
	assert_null(evbuffer_readln(b, NULL, EVBUFFER_EOL_LF));
	assert_int_equal(told, 0);
	b->owner = NULL;
	evbuffer_free(b);
}

static void the_owner_may_object_to_a_limit(void **unused)
{
	struct evbuffer *b = bytes_at(0, "abc", 3);

	(void)unused;
	b->owner = &owner;
	objection = EINVAL;
	assert_int_equal(evbuffer_set_limit(b, 12), 0);
	told = 0;
	bytes_fails(evbuffer_set_limit(b, 13), EINVAL);
	assert_int_equal(told, 0);
	assert_int_equal(b->limit, 12);
	b->owner = NULL;
	evbuffer_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(bytes_come_out_in_order),
		ration_test(a_copy_takes_nothing),
		ration_test(a_full_buffer_goes_round),
		ration_test(prepended_bytes_come_first),
		ration_test(pullup_makes_the_front_flat),
		ration_test(pullup_moves_only_what_is_divided),
		ration_test(pullup_of_nothing_or_too_much_is_null),
		ration_test(what_is_committed_is_added),
		ration_test(what_was_emptied_lends_its_room_in_one_piece),
		ration_test(no_more_is_committed_than_was_lent),
		ration_test(the_limit_bounds_what_is_lent),
		ration_test(the_next_call_ends_a_reservation),
		ration_test(looking_ends_no_reservation),
		ration_test(the_owner_is_told_of_each_change),
		ration_test(the_owner_is_not_told_of_what_failed),
		ration_test(the_owner_may_object_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
