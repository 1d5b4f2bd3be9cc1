/* SPDX-License-Identifier: MIT */

/*
 * Lines: the six ends, with the wrap at every place and with the bytes coming
 * one by one.
 *
 * Lines come from malloc(3), and that it fails has to be seen, too: so the
 * file is compiled here once more, with a malloc() that is told to.
 */

#include <stdbool.h>
#include <stdlib.h>

static bool no_memory;

static void *rationed_malloc(size_t n)
{
	return no_memory ? NULL : malloc(n);
}

#define malloc rationed_malloc
#include "evbuffer-scan.c"
#undef malloc

#include "bytes.h"

#define ANY EVBUFFER_EOL_ANY
#define CRLF EVBUFFER_EOL_CRLF
#define STRICT EVBUFFER_EOL_CRLF_STRICT
#define LF EVBUFFER_EOL_LF
#define NUL EVBUFFER_EOL_NUL
#define PAIR EVBUFFER_EOL_PAIR

static const struct example {
	const char *text;
	size_t length, from;
	enum evbuffer_eol kind;
	ssize_t at; /* -1: there is none */
	size_t eol_length;
} examples[] = {
	{ "ab\r\ncd", 6, 0, ANY, 2, 2 },
	{ "ab\n\r\r\n\ncd", 9, 0, ANY, 2, 5 },
	{ "ab\r", 3, 0, ANY, 2, 1 },
	{ "ab\n", 3, 0, ANY, 2, 1 },
	{ "\r\n\r\n", 4, 0, ANY, 0, 4 },
	{ "\r\n\r\n", 4, 3, ANY, 3, 1 },
	{ "ab\0cd", 5, 0, ANY, -1, 0 },
	{ "ab\r\ncd", 6, 0, CRLF, 2, 2 },
	{ "ab\ncd\r\n", 7, 0, CRLF, 2, 1 },
	{ "ab\rcd\r\r\n", 8, 0, CRLF, 6, 2 },
	{ "ab\n\r", 4, 0, CRLF, 2, 1 },
	{ "ab\r\n", 4, 3, CRLF, 3, 1 },
	{ "\n", 1, 0, CRLF, 0, 1 },
	{ "ab\r", 3, 0, CRLF, -1, 0 },
	{ "ab\r\n", 4, 0, STRICT, 2, 2 },
	{ "ab\ncd\n\r\n", 8, 0, STRICT, 6, 2 },
	{ "\n\n\r\r\n\n", 6, 0, STRICT, 3, 2 },
	{ "ab\r\n\r\n", 6, 3, STRICT, 4, 2 },
	{ "\nab\n\r", 5, 0, STRICT, -1, 0 },
	{ "ab\r\n", 4, 3, STRICT, -1, 0 },
	{ "ab\r\ncd", 6, 0, LF, 3, 1 },
	{ "\n\n", 2, 1, LF, 1, 1 },
	{ "ab\r", 3, 0, LF, -1, 0 },
	{ "a\nb\0c\0", 6, 0, NUL, 3, 1 },
	{ "a\nb\0c\0", 6, 4, NUL, 5, 1 },
	{ "a\r\n", 3, 0, NUL, -1, 0 },
	{ "ab\r\ncd", 6, 0, PAIR, 2, 2 },
	{ "ab\n\r\ncd", 7, 0, PAIR, 2, 2 },
	{ "ab\r\r\ncd", 7, 0, PAIR, 2, 1 },
	{ "ab\n\ncd", 6, 0, PAIR, 2, 1 },
	{ "ab\r", 3, 0, PAIR, 2, 1 },
	{ "ab\r\n", 4, 3, PAIR, 3, 1 },
	{ "a\0b\n", 4, 0, PAIR, 3, 1 },
	{ "ab\0cd", 5, 0, PAIR, -1, 0 },
	{ "", 0, 0, ANY, -1, 0 },
	{ "", 0, 0, CRLF, -1, 0 },
	{ "", 0, 0, STRICT, -1, 0 },
	{ "", 0, 0, LF, -1, 0 },
	{ "", 0, 0, NUL, -1, 0 },
	{ "", 0, 0, PAIR, -1, 0 },
	{ "a\n", 2, 2, LF, -1, 0 },
};

#define for_each_example(e)                      \
	for (const struct example *e = examples; \
	     e != examples + sizeof(examples) / sizeof(examples[0]); e++)

static void the_first_end_is_found_over_any_wrap(void **unused)
{
	(void)unused;
	for_each_example(e) for (size_t head = 118; head <= 128; head++)
	{
		struct evbuffer *b = bytes_at(head, e->text, e->length);
		size_t length = 77;

		errno = 0;
		assert_int_equal(evbuffer_search_eol(b, e->from, e->kind,
						     &length),
				 e->at);
		assert_int_equal(errno, e->at < 0 ? ENOENT : 0);
		assert_int_equal(length, e->at < 0 ? 77 : e->eol_length);
		assert_int_equal(evbuffer_search_eol(b, e->from, e->kind, NULL),
				 e->at);
		evbuffer_free(b);
	}
}

static void a_line_is_taken_with_its_end(void **unused)
{
	(void)unused;
	for_each_example(e) for (size_t head = 118; head <= 128; head++)
	{
		struct evbuffer *b = bytes_at(head, e->text, e->length);
		size_t n = 77, gone = 0;
		char *line;

		if (e->from > 0) {
			evbuffer_free(b);
			continue;
		}
		errno = 0;
		line = evbuffer_readln(b, &n, e->kind);
		assert_int_equal(!line, e->at < 0);
		assert_int_equal(errno, e->at < 0 ? EAGAIN : 0);
		assert_int_equal(n, e->at < 0 ? 0 : e->at);
		if (line) {
			gone = n + e->eol_length;
			assert_memory_equal(line, e->text, n);
			assert_int_equal(line[n], '\0');
		}
		bytes_expect(b, e->text + gone, e->length - gone);
		free(line);
		evbuffer_free(b);
	}
}

static void bad_arguments_are_einval(void **unused)
{
	struct evbuffer *b = bytes_at(0, "ab\n", 3);
	size_t n = 77;

	(void)unused;
	bytes_fails(evbuffer_search_eol(b, 4, LF, &n), EINVAL);
	bytes_fails(evbuffer_search_eol(b, 0, (enum evbuffer_eol)6, &n),
		    EINVAL);
	assert_int_equal(n, 77);
	errno = 0;
	assert_null(evbuffer_readln(b, &n, (enum evbuffer_eol)6));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(n, 0);
	bytes_expect_text(b, "ab\n");
	evbuffer_free(b);
}

/* --- Bytes that come one by one ------------------------------------------ */

/* The lines, each in angle brackets, as they are complete. */
static void expect_lines(char *(*take)(struct evbuffer *, size_t *,
				       enum evbuffer_eol),
			 enum evbuffer_eol kind, const char *text,
			 const char *lines)
{
	for (size_t head = 118; head <= 128; head++) {
		struct evbuffer *b = bytes_at(head, "", 0);
		struct evbuffer *out = evbuffer_new();

		for (const char *c = text; *c; c++) {
			char *line;

			evbuffer_add(b, c, 1);
			while ((line = take(b, NULL, kind))) {
				evbuffer_add_printf(out, "<%s>", line);
				free(line);
			}
			assert_int_equal(errno, EAGAIN);
		}
		bytes_expect_text(out, lines);
		evbuffer_free(b);
		evbuffer_free(out);
	}
}

static char *take_plain(struct evbuffer *b, size_t *n, enum evbuffer_eol kind)
{
	(void)n;
	(void)kind;
	return evbuffer_readline(b);
}

static void an_end_may_come_in_two_adds(void **unused)
{
	(void)unused;
	expect_lines(evbuffer_readln, CRLF, "ab\r\nc\n\rd\n", "<ab><c><\rd>");
	expect_lines(evbuffer_readln, STRICT, "ab\r\nc\n\rd\r\n",
		     "<ab><c\n\rd>");
	expect_lines(evbuffer_readln, LF, "ab\r\nc\n", "<ab\r><c>");
	/* A run that comes in parts is an end and an empty line for each. */
	expect_lines(evbuffer_readln, ANY, "ab\r\nc\n", "<ab><><c>");
	expect_lines(evbuffer_readln, PAIR, "ab\r\nc\n\rd\re\n",
		     "<ab><><c><><d><e>");
	expect_lines(take_plain, 0, "ab\r\nc\n\rd\re\n", "<ab><><c><><d><e>");
}

static void expect_plain(struct evbuffer *b, const char *expected)
{
	char *line = evbuffer_readline(b);

	assert_non_null(line);
	assert_string_equal(line, expected);
	free(line);
}

static void readline_takes_pairs(void **unused)
{
	static const char text[] = "a\r\nb\n\rc\rd\ne\r\rf\n\ng\r\n\r\nh";

	(void)unused;
	for (size_t head = 128 - sizeof(text); head <= 128; head++) {
		struct evbuffer *b = bytes_at(head, text, sizeof(text) - 1);
		const char *lines[] = { "a", "b", "c", "d", "e",
					"",  "f", "",  "g", "" };

		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			expect_plain(b, lines[i]);
		errno = 0;
		assert_null(evbuffer_readline(b));
		assert_int_equal(errno, EAGAIN);
		bytes_expect_text(b, "h");
		evbuffer_free(b);
	}
}

static void a_lone_cr_at_the_end_ends_the_line(void **unused)
{
	struct evbuffer *b = bytes_at(0, "ab\r", 3);

	(void)unused;
	expect_plain(b, "ab");
	assert_null(evbuffer_readline(b));
	evbuffer_add(b, "\ncd\n", 4);
	expect_plain(b, "");
	expect_plain(b, "cd");
	evbuffer_add(b, "\ref\n", 4);
	expect_plain(b, "");
	expect_plain(b, "ef");
	evbuffer_free(b);
}

/* --- Memory and size ----------------------------------------------------- */

static void a_line_may_hold_zero_bytes(void **unused)
{
	struct evbuffer *b = bytes_at(126, "a\0b\0\n", 5);
	size_t n;
	char *line = evbuffer_readln(b, &n, LF);

	(void)unused;
	assert_int_equal(n, 4);
	assert_memory_equal(line, "a\0b\0", 5);
	free(line);
	evbuffer_free(b);
}

static void without_memory_no_line_is_lost(void **unused)
{
	struct evbuffer *b = bytes_at(126, "abcd\r\n", 6);
	size_t n = 77;

	(void)unused;
	no_memory = true;
	errno = 0;
	assert_null(evbuffer_readln(b, &n, CRLF));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(n, 0);
	errno = 0;
	assert_null(evbuffer_readline(b));
	assert_int_equal(errno, ENOMEM);
	no_memory = false;
	bytes_expect_text(b, "abcd\r\n");
	expect_plain(b, "abcd");
	evbuffer_free(b);
}

static void lines_are_from_malloc_whatever_the_allocator(void **unused)
{
	struct evbuffer *b = bytes_at(0, "ab\ncd\n", 6);
	long held = ration.held, asked = ration.asked;
	char *line;

	(void)unused;
	ration.left = 0;
	line = evbuffer_readln(b, NULL, LF);
	assert_string_equal(line, "ab");
	free(line);
	expect_plain(b, "cd");
	assert_int_equal(ration.held, held);
	assert_int_equal(ration.asked, asked);
	evbuffer_free(b);
}

/* Beyond the windows in which CR and LF are looked for. */
static void long_lines_are_found(void **unused)
{
	static const enum evbuffer_eol kinds[] = { ANY, CRLF, STRICT, PAIR };
	char *text = malloc(10000);

	(void)unused;
	for (size_t i = 0; i < 90; i++) {
		size_t length = i * i, at;
		struct evbuffer *b;

		memset(text, 'x', length);
		memcpy(text + length, "\r\nyyy\r\n", 7);
		b = bytes_at(5000, text, length + 7);
		for (int k = 0; k < 4; k++) {
			assert_int_equal(evbuffer_search_eol(b, 0, kinds[k],
							     &at),
					 length);
			assert_int_equal(at, 2);
			assert_int_equal(evbuffer_search_eol(b, length + 2,
							     kinds[k], NULL),
					 length + 5);
		}
		evbuffer_free(b);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(the_first_end_is_found_over_any_wrap),
		ration_test(a_line_is_taken_with_its_end),
		ration_test(bad_arguments_are_einval),
		ration_test(an_end_may_come_in_two_adds),
		ration_test(readline_takes_pairs),
		ration_test(a_lone_cr_at_the_end_ends_the_line),
		ration_test(a_line_may_hold_zero_bytes),
		ration_test(without_memory_no_line_is_lost),
		ration_test(lines_are_from_malloc_whatever_the_allocator),
		ration_test(long_lines_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
