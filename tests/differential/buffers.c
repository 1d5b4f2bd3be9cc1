/* SPDX-License-Identifier: MIT */

/*
 * buffers [SEED [STEPS]]: random calls on two evbuffers, and what they return.
 */

#include <string.h>

#include "adapter.h"
#include "transcript.h"

enum { MOST = 20000, LARGE = 6000, EOLS = 5 };

static char data[LARGE], out[MOST];

static const enum evbuffer_eol eols[EOLS] = {
	EVBUFFER_EOL_ANY, EVBUFFER_EOL_CRLF, EVBUFFER_EOL_CRLF_STRICT,
	EVBUFFER_EOL_LF, EVBUFFER_EOL_NUL
};

static size_t any_size(void)
{
	return dice(4) ? dice(60) : dice(LARGE);
}

/* Few letters, so that there is much to be found. */
static size_t make_data(void)
{
	static const char letters[] = "aab\r\n\n\r";
	size_t n = any_size();

	for (size_t i = 0; i < n; i++)
		data[i] = letters[dice(sizeof(letters))];
	return n;
}

static void print(const char *what, long result, size_t n)
{
	printf("%s %ld %016llx\n", what, result,
	       (unsigned long long)hash(out, n));
}

/* --- Steps --------------------------------------------------------------- */

static void step_add(struct evbuffer *b, struct evbuffer *other)
{
	size_t n = make_data();

	(void)other;
	print("add", evbuffer_add(b, data, n), 0);
}

static void step_prepend(struct evbuffer *b, struct evbuffer *other)
{
	size_t n = make_data();

	(void)other;
	print("prepend", evbuffer_prepend(b, data, n), 0);
}

static void step_printf(struct evbuffer *b, struct evbuffer *other)
{
	(void)other;
	print("printf",
	      evbuffer_add_printf(b, "<%*d|%s>", (int)any_size(), 7, "\r\n"),
	      0);
}

static void step_fill(struct evbuffer *b, struct evbuffer *other)
{
	size_t n = make_data();

	(void)other;
	if (n > 0)
		print("fill", buffer_fill(b, data, n), 0);
}

static void step_drain(struct evbuffer *b, struct evbuffer *other)
{
	(void)other;
	evbuffer_drain(b, dice(20) ? any_size() : (size_t)-1);
}

static void step_remove(struct evbuffer *b, struct evbuffer *other)
{
	long n = (long)evbuffer_remove(b, out, any_size());

	(void)other;
	print("remove", n, (size_t)n);
}

static void step_copy(struct evbuffer *b, struct evbuffer *other)
{
	size_t from = dice(evbuffer_get_length(b) + 1);
	long n = buffer_copy(b, from, out, any_size());

	(void)other;
	print("copy", n, (size_t)n);
}

static void step_pullup(struct evbuffer *b, struct evbuffer *other)
{
	size_t n = dice(4) ? 1 + any_size() : (size_t)-1;
	size_t length = evbuffer_get_length(b);
	void *p = length > 0 ? buffer_pullup(b, n) : NULL;

	(void)other;
	if (n == (size_t)-1)
		n = length;
	printf("pullup %d %016llx\n", p ? 1 : 0,
	       (unsigned long long)(p ? hash(p, n) : 0));
}

static void step_search(struct evbuffer *b, struct evbuffer *other)
{
	size_t from = dice(evbuffer_get_length(b) + 1), n = 1 + dice(5), at;

	(void)other;
	make_data();
	/* Often something that is there. */
	if (dice(2) && evbuffer_get_length(b) > 100) {
		at = dice(evbuffer_get_length(b) - 64);
		n = 1 + dice(64);
		buffer_copy(b, at, data, n);
	}
	print("search", buffer_search(b, from, data, n), 0);
}

static void step_eol(struct evbuffer *b, struct evbuffer *other)
{
	size_t from = dice(evbuffer_get_length(b) + 1), length = 0;
	size_t kind = dice(EOLS);
	long at = buffer_search_eol(b, from, eols[kind], &length);

	(void)other;
	printf("eol %zu: %ld %zu\n", kind, at, at < 0 ? 0 : length);
}

static void step_line(struct evbuffer *b, struct evbuffer *other)
{
	size_t n = 0, kind = dice(EOLS);
	char *line = evbuffer_readln(b, &n, eols[kind]);

	(void)other;
	printf("line %zu: %d %zu %016llx\n", kind, line ? 1 : 0, n,
	       (unsigned long long)(line ? hash(line, n + 1) : 0));
	free(line);
}

static void step_move(struct evbuffer *b, struct evbuffer *other)
{
	print("move", evbuffer_add_buffer(b, other), 0);
}

static void step_move_some(struct evbuffer *b, struct evbuffer *other)
{
	print("move some", (long)evbuffer_remove_buffer(other, b, any_size()),
	      0);
}

static void step_expand(struct evbuffer *b, struct evbuffer *other)
{
	(void)other;
	print("expand", evbuffer_expand(b, any_size()), 0);
}

static void (*const step[])(struct evbuffer *, struct evbuffer *) = {
	step_add,    step_add,	  step_add,	  step_prepend, step_printf,
	step_fill,   step_drain,  step_remove,	  step_copy,	step_pullup,
	step_search, step_search, step_eol,	  step_eol,	step_line,
	step_line,   step_move,	  step_move_some, step_expand,
};

/* All that it holds, which is little enough. */
static void print_content(struct evbuffer *b)
{
	long n;

	if (evbuffer_get_length(b) > MOST)
		evbuffer_drain(b, evbuffer_get_length(b) - LARGE);
	n = buffer_copy(b, 0, out, MOST);
	print("holds", n, (size_t)n);
}

int main(int argc, char **argv)
{
	unsigned long steps = begin_script(argc, argv, 20000);
	struct evbuffer *b[2] = { evbuffer_new(), evbuffer_new() };

	for (unsigned long i = 0; i < steps; i++) {
		size_t which = dice(2);

		step[dice(sizeof(step) / sizeof(step[0]))](b[which], b[!which]);
		print_content(b[which]);
		print_content(b[!which]);
	}
	evbuffer_free(b[0]);
	evbuffer_free(b[1]);
	return 0;
}
