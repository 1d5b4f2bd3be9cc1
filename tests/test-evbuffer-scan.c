/* SPDX-License-Identifier: MIT */

/*
 * Searching, with the wrap at every place, against a search that is too simple
 * to be wrong.
 */

#include "bytes.h"

static ssize_t search_simply(const unsigned char *text, size_t length,
			     size_t from, const void *needle, size_t n)
{
	for (size_t i = from; i + n <= length; i++)
		if (memcmp(text + i, needle, n) == 0)
			return (ssize_t)i;
	return -1;
}

static void expect_found(const struct evbuffer *b, size_t from,
			 const void *needle, size_t n, ssize_t where)
{
	errno = 0;
	assert_int_equal(evbuffer_search(b, from, needle, n), where);
	assert_int_equal(errno, where < 0 ? ENOENT : 0);
}

static void a_needle_is_found_wherever_the_wrap_is(void **unused)
{
	static const unsigned char text[] = "abracadabra, said the abracadaver";
	const size_t length = sizeof(text) - 1;

	(void)unused;
	for (size_t head = 128 - length - 1; head <= 128; head++) {
		struct evbuffer *b = bytes_at(head, text, length);

		for (size_t at = 0; at < length; at++)
			for (size_t n = 1; n <= length - at; n++)
				for (size_t from = 0; from < length; from += 6)
					expect_found(b, from, text + at, n,
						     search_simply(
							     text, length, from,
							     text + at, n));
		expect_found(b, 0, "abracadabrb", 11, -1);
		expect_found(b, 0, "e abracadaver", 13, 20);
		evbuffer_free(b);
	}
}

/* What a search is asked in vain, and what it must not be asked. */
static void what_is_not_there_is_enoent(void **unused)
{
	struct evbuffer *b = bytes_at(126, "abcd", 4);

	(void)unused;
	expect_found(b, 0, "x", 1, -1);
	expect_found(b, 1, "a", 1, -1);
	expect_found(b, 3, "de", 2, -1);
	expect_found(b, 4, "d", 1, -1);
	expect_found(b, 0, "abcde", 5, -1);
	expect_found(b, 0, "0abcd", 5, -1);
	expect_found(b, 0, bytes_pattern(0), 1000, -1);
	bytes_fails(evbuffer_search(b, 5, "d", 1), EINVAL);
	bytes_fails(evbuffer_search(b, SIZE_MAX, "d", 1), EINVAL);
	bytes_fails(evbuffer_search(b, 0, "", 0), EINVAL);
	evbuffer_drain(b, 4);
	expect_found(b, 0, "a", 1, -1);
	bytes_fails(evbuffer_search(b, 1, "a", 1), EINVAL);
	evbuffer_free(b);
}

static void bytes_of_any_value_are_found(void **unused)
{
	struct evbuffer *b = bytes_at(125, "a\0\xff\0\xff\xff", 6);

	(void)unused;
	expect_found(b, 0, "\0", 1, 1);
	expect_found(b, 2, "\0", 1, 3);
	expect_found(b, 0, "\xff\xff", 2, 4);
	expect_found(b, 0, "\0\xff\xff", 3, 3);
	evbuffer_free(b);
}

/* All texts of letters `a` and `b` that are this long, cut at every place. */
static void all_periods_are_survived(void **unused)
{
	enum { LENGTH = 11 };
	unsigned char text[LENGTH];

	(void)unused;
	for (unsigned bits = 0; bits < 1u << LENGTH; bits += 3)
		for (size_t cut = 1; cut < LENGTH; cut += 2) {
			struct evbuffer *b;

			for (unsigned i = 0; i < LENGTH; i++)
				text[i] = bits >> i & 1 ? 'b' : 'a';
			b = bytes_at(128 - cut, text, LENGTH);
			for (size_t n = 1; n <= 6; n++)
				for (unsigned k = 0; k < 1u << n; k++) {
					char x[6];

					for (size_t i = 0; i < n; i++)
						x[i] = k >> i & 1 ? 'b' : 'a';
					assert_int_equal(
						evbuffer_search(b, 0, x, n),
						search_simply(text, LENGTH, 0,
							      x, n));
				}
			evbuffer_free(b);
		}
}

static unsigned dice(unsigned *seed, unsigned sides)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % sides;
}

/* Long needles, mostly of words of the text, over a wrap; seeded. */
static void random_needles_are_found(void **unused)
{
	unsigned seed = 20240229;
	unsigned char text[600], needle[300];

	(void)unused;
	for (int round = 0; round < 2000; round++) {
		size_t length = 300 + dice(&seed, 300);
		size_t period = 1 + dice(&seed, 40);
		size_t n = 1 + dice(&seed, 299), from = dice(&seed, 100);
		struct evbuffer *b;

		for (size_t i = 0; i < length; i++)
			text[i] = i >= period && dice(&seed, 200) ?
					  text[i - period] :
					  (unsigned char)('a' + dice(&seed, 2));
		memcpy(needle, text + dice(&seed, (unsigned)(length - n)), n);
		if (dice(&seed, 2))
			needle[dice(&seed, (unsigned)n)] ^= 3;
		b = bytes_at(1024 - dice(&seed, 600), text, length);
		assert_int_equal(evbuffer_search(b, from, needle, n),
				 search_simply(text, length, from, needle, n));
		evbuffer_free(b);
	}
}

/*
 * A search that begins anew at each place of the seam would take minutes here:
 * half of a million places, each of them as long.
 */
static void the_seam_is_no_trap(void **unused)
{
	enum { HALF = 1 << 19, N = HALF - 1 };
	unsigned char *text = malloc(2 * HALF);
	struct evbuffer *b;

	(void)unused;
	memset(text, 'a', 2 * HALF);
	b = bytes_at(HALF, text, 2 * HALF);
	text[N - 1] = 'b';
	expect_found(b, 0, text, N, -1);
	text[N - 1] = 'a';
	text[0] = 'b';
	expect_found(b, 0, text, N, -1);
	text[0] = 'a';
	text[N / 2] = 'b';
	expect_found(b, 0, text, N, -1);
	/* And found, if it is there: the middle byte is over the seam. */
	b->ring.base[0] = 'b';
	expect_found(b, 0, text, N, HALF - N / 2);
	evbuffer_free(b);
	free(text);
}

/* Many first bytes and never the rest: short hops must not be the end. */
static void false_starts_are_survived(void **unused)
{
	enum { LENGTH = 1 << 17 };
	unsigned char *text = malloc(LENGTH);
	struct evbuffer *b;

	(void)unused;
	for (size_t i = 0; i < LENGTH; i++)
		text[i] = i % 3 ? 'x' : 'a';
	memcpy(text + LENGTH - 4, "axxy", 4);
	memcpy(text + 1000, "axaa", 4);
	b = bytes_at(LENGTH / 2, text, LENGTH);
	expect_found(b, 0, "axxy", 4, LENGTH - 4);
	expect_found(b, 0, "axaa", 4, 1000);
	expect_found(b, 1001, "axaa", 4, -1);
	expect_found(b, 0, "axxz", 4, -1);
	evbuffer_free(b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(a_needle_is_found_wherever_the_wrap_is),
		ration_test(what_is_not_there_is_enoent),
		ration_test(bytes_of_any_value_are_found),
		ration_test(all_periods_are_survived),
		ration_test(random_needles_are_found),
		ration_test(the_seam_is_no_trap),
		ration_test(false_starts_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
