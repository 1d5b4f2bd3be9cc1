/* SPDX-License-Identifier: MIT */

/*
 * Lines: what ends one, and whose memory it is.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../support/harness.h"
#include "child.h"

static struct evbuffer *buffer(const char *text)
{
	struct evbuffer *b = evbuffer_new();

	assert_non_null(b);
	assert_int_equal(evbuffer_add(b, text, strlen(text)), 0);
	return b;
}

static void add(struct evbuffer *b, const char *text)
{
	assert_int_equal(evbuffer_add(b, text, strlen(text)), 0);
}

static void expect_line(struct evbuffer *b, const char *line)
{
	char *got = evbuffer_readline(b);

	assert_non_null(got);
	assert_string_equal(got, line);
	free(got);
}

static void expect_ln(struct evbuffer *b, enum evbuffer_eol kind,
		      const char *line)
{
	size_t length = 12345;
	char *got = evbuffer_readln(b, &length, kind);

	assert_non_null(got);
	assert_string_equal(got, line);
	assert_int_equal(length, strlen(line));
	free(got);
}

static void expect_no_line(struct evbuffer *b)
{
	size_t length = evbuffer_get_length(b);

	errno = 0;
	assert_null(evbuffer_readline(b));
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(evbuffer_get_length(b), length);
}

static void expect_no_ln(struct evbuffer *b, enum evbuffer_eol kind)
{
	size_t length = evbuffer_get_length(b), line = 12345;

	errno = 0;
	assert_null(evbuffer_readln(b, &line, kind));
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(line, 0);
	assert_int_equal(evbuffer_get_length(b), length);
}

/* --- The lone end -------------------------------------------------------- */

static const char lone[] =
	"A lone CR or LF at the buffer's end ends the line for `readline`; the "
	"partner arriving later is an empty line.";

static void test_lone_end(void **state)
{
	static const char *const pairs[][2] = { { "\r", "\n" },
						{ "\n", "\r" } };

	(void)state;
	harness_quote(lone);
	for (int i = 0; i < 2; i++) {
		struct evbuffer *b = buffer("abc");

		expect_no_line(b);
		add(b, pairs[i][0]);
		expect_line(b, "abc");
		expect_no_line(b);
		add(b, pairs[i][1]);
		expect_line(b, "");
		expect_no_line(b);
		evbuffer_free(b);
	}
}

static void test_pair_that_is_complete(void **state)
{
	struct evbuffer *b = buffer("a\r\nb\n\rc\rd\ne\n\nf\r\rg");

	(void)state;
	harness_quote(lone);
	expect_line(b, "a");
	expect_line(b, "b");
	expect_line(b, "c");
	expect_line(b, "d");
	expect_line(b, "e");
	expect_line(b, "");
	expect_line(b, "f");
	expect_line(b, "");
	expect_no_line(b);
	assert_int_equal(evbuffer_get_length(b), 1);
	evbuffer_free(b);
}

/* --- EOL_ANY ------------------------------------------------------------- */

static const char any_run[] = "`EOL_ANY` takes any run of CR and LF.";

static void test_any_run(void **state)
{
	struct evbuffer *b = buffer("a\r\n\r\n\n\rb\nc\r\rd");

	(void)state;
	harness_quote(any_run);
	expect_ln(b, EVBUFFER_EOL_ANY, "a");
	expect_ln(b, EVBUFFER_EOL_ANY, "b");
	expect_ln(b, EVBUFFER_EOL_ANY, "c");
	expect_no_ln(b, EVBUFFER_EOL_ANY);
	assert_int_equal(evbuffer_get_length(b), 1);
	evbuffer_free(b);
}

static void test_run_at_the_beginning(void **state)
{
	struct evbuffer *b = buffer("\n\na\r");

	(void)state;
	harness_quote("A line is empty only where the buffer begins with a "
		      "run, as it does when the rest of one arrives after its "
		      "line was taken.");
	expect_ln(b, EVBUFFER_EOL_ANY, "");
	expect_ln(b, EVBUFFER_EOL_ANY, "a");
	add(b, "\nb\n");
	expect_ln(b, EVBUFFER_EOL_ANY, "");
	expect_ln(b, EVBUFFER_EOL_ANY, "b");
	evbuffer_free(b);
}

static void test_length_of_any_run(void **state)
{
	struct evbuffer *b = buffer("ab\n\r\n\rcd");
	size_t length = 0;

	(void)state;
	harness_quote(any_run);
	assert_int_equal(evbuffer_search_eol(b, 0, EVBUFFER_EOL_ANY, &length),
			 2);
	assert_int_equal(length, 4);
	evbuffer_free(b);
}

static void test_other_kinds(void **state)
{
	struct evbuffer *b = buffer("a\r\nb\nc\rd\n");

	(void)state;
	harness_quote(any_run);
	expect_ln(b, EVBUFFER_EOL_CRLF_STRICT, "a");
	expect_no_ln(b, EVBUFFER_EOL_CRLF_STRICT);
	expect_ln(b, EVBUFFER_EOL_CRLF, "b");
	expect_ln(b, EVBUFFER_EOL_LF, "c\rd");
	assert_int_equal(evbuffer_get_length(b), 0);
	assert_int_equal(evbuffer_add(b, "x\0y", 3), 0);
	expect_ln(b, EVBUFFER_EOL_NUL, "x");
	expect_no_ln(b, EVBUFFER_EOL_NUL);
	evbuffer_free(b);
}

/* --- No line ------------------------------------------------------------- */

static const char no_line[] =
	"No line: NULL with `EAGAIN`; out of memory: NULL with `ENOMEM`, "
	"nothing lost.";

static void test_no_line(void **state)
{
	struct evbuffer *b = buffer("");

	(void)state;
	harness_quote(no_line);
	expect_no_line(b);
	for (int kind = EVBUFFER_EOL_ANY; kind <= EVBUFFER_EOL_PAIR; kind++)
		expect_no_ln(b, (enum evbuffer_eol)kind);
	add(b, "without an end");
	expect_no_line(b);
	for (int kind = EVBUFFER_EOL_ANY; kind <= EVBUFFER_EOL_PAIR; kind++)
		expect_no_ln(b, (enum evbuffer_eol)kind);
	evbuffer_free(b);
}

enum { LONG_LINE = 64 * 1024 * 1024 };

static struct evbuffer *long_line(void)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];

	if (!b || evbuffer_reserve(b, LONG_LINE, v) != 1)
		return NULL;
	memset(v[0].iov_base, 'x', LONG_LINE - 1);
	((char *)v[0].iov_base)[LONG_LINE - 1] = '\n';
	return evbuffer_commit(b, LONG_LINE) == 0 ? b : NULL;
}

/* Both calls fail, and then, with memory again, the line is there. */
static int run_out_of_memory(void *arg)
{
	struct rlimit none = { 1024 * 1024, RLIM_INFINITY };
	struct rlimit much = { RLIM_INFINITY, RLIM_INFINITY };
	struct evbuffer *b = long_line();
	size_t length = 12345;
	char *line;

	(void)arg;
	if (!b)
		return 1;
	setrlimit(RLIMIT_AS, &none);
	errno = 0;
	if (evbuffer_readln(b, &length, EVBUFFER_EOL_LF) || errno != ENOMEM ||
	    length != 0)
		return 2;
	errno = 0;
	if (evbuffer_readline(b) || errno != ENOMEM)
		return 3;
	if (evbuffer_get_length(b) != LONG_LINE)
		return 4;
	setrlimit(RLIMIT_AS, &much);
	line = evbuffer_readln(b, &length, EVBUFFER_EOL_LF);
	if (!line || length != LONG_LINE - 1 || strlen(line) != length)
		return 5;
	free(line);
	return evbuffer_get_length(b) == 0 ? 0 : 6;
}

static void test_out_of_memory(void **state)
{
	(void)state;
	harness_quote(no_line);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* They need the address space themselves. */
	skip();
#endif
	if (getenv("BUFEV_SLOW"))
		skip();
	child_succeeds(run_out_of_memory, NULL);
}

/* --- Whose memory -------------------------------------------------------- */

/* Pointers of this one are not malloc's: free(3) would not take them. */
enum { SHIFT = 64 };

static size_t blocks;

static void *shifted_realloc(void *p, size_t n)
{
	char *block = realloc(p ? (char *)p - SHIFT : NULL, n + SHIFT);

	if (!block)
		return NULL;
	if (!p)
		blocks++;
	return block + SHIFT;
}

static void shifted_free(void *p)
{
	blocks--;
	free((char *)p - SHIFT);
}

static int read_lines(void *arg)
{
	struct evbuffer *b;
	char *line;

	(void)arg;
	if (bufev_set_allocator(shifted_realloc, shifted_free) != 0)
		return 1;
	b = evbuffer_new();
	if (!b || evbuffer_add(b, "one\ntwo\n", 8) != 0 || blocks == 0)
		return 2;
	line = evbuffer_readln(b, NULL, EVBUFFER_EOL_LF);
	if (!line || strcmp(line, "one") != 0)
		return 3;
	free(line);
	line = evbuffer_readline(b);
	if (!line || strcmp(line, "two") != 0)
		return 4;
	free(line);
	evbuffer_free(b);
	return blocks == 0 ? 0 : 5;
}

static void test_lines_are_from_malloc(void **state)
{
	(void)state;
	harness_quote("Returned lines are from malloc always, whatever the "
		      "allocator.");
	child_succeeds(read_lines, NULL);
}

static void test_pullup_of_all(void **state)
{
	struct evbuffer *b = evbuffer_new();
	char *all;

	(void)state;
	harness_quote("`pullup(SIZE_MAX)` means all.");
	assert_non_null(b);
	/* All of nothing is no failure. */
	errno = 0;
	assert_null(evbuffer_pullup(b, SIZE_MAX));
	assert_int_equal(errno, 0);
	for (int i = 0; i < 1000; i++)
		add(b, "0123456789");
	all = evbuffer_pullup(b, SIZE_MAX);
	assert_non_null(all);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(all[i], '0' + i % 10);
	/* No other size is clamped. */
	errno = 0;
	assert_null(evbuffer_pullup(b, 10001));
	assert_int_equal(errno, EINVAL);
	evbuffer_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_lone_end),
		harness_test(test_pair_that_is_complete),
		harness_test(test_any_run),
		harness_test(test_run_at_the_beginning),
		harness_test(test_length_of_any_run),
		harness_test(test_other_kinds),
		harness_test(test_no_line),
		harness_test(test_out_of_memory),
		harness_test(test_lines_are_from_malloc),
		harness_test(test_pullup_of_all),
	};

	return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
