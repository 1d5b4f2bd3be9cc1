/* SPDX-License-Identifier: MIT */

/*
 * Lines, ends of lines and needles in a buffer that wraps anywhere, against
 * loops over flat bytes.
 *
 * An input is a text behind four bytes: where in the storage it begins (so it
 * wraps), where searches begin, and where the needle lies in it and how long
 * it is.
 */

#include <errno.h>
#include <string.h>

#include <bufev.h>

#include "evbuffer.h"
#include "fuzz.h"

enum { KINDS = 6, MOST = 4096 };

struct text {
	const uint8_t *p;
	size_t n;
};

static bool is_break(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* Is the break at i followed by its partner? */
static bool is_pair(struct text t, size_t i)
{
	return i + 1 < t.n && is_break(t.p[i + 1]) && t.p[i + 1] != t.p[i];
}

/* The length of the end of line that begins at i; 0: none does. */
static size_t eol_at(struct text t, size_t i, enum evbuffer_eol kind)
{
	bool crlf = t.p[i] == '\r' && i + 1 < t.n && t.p[i + 1] == '\n';
	size_t run = 0;

	switch (kind) {
	case EVBUFFER_EOL_ANY:
		while (i + run < t.n && is_break(t.p[i + run]))
			run++;
		return run;
	case EVBUFFER_EOL_CRLF:
		return crlf ? 2 : t.p[i] == '\n';
	case EVBUFFER_EOL_CRLF_STRICT:
		return crlf ? 2 : 0;
	case EVBUFFER_EOL_LF:
		return t.p[i] == '\n';
	case EVBUFFER_EOL_NUL:
		return t.p[i] == '\0';
	default:
		return is_break(t.p[i]) ? 1 + is_pair(t, i) : 0;
	}
}

static ssize_t find_eol(struct text t, size_t from, enum evbuffer_eol kind,
			size_t *length)
{
	for (size_t i = from; i < t.n; i++) {
		*length = eol_at(t, i, kind);
		if (*length > 0)
			return (ssize_t)i;
	}
	return -1;
}

static struct evbuffer *buffer_of(struct text t, size_t head)
{
	struct evbuffer *b = evbuffer_new();

	expect(b && evbuffer_expand(b, t.n + 1) == 0, "a buffer");
	b->ring.head = b->ring.tail = head;
	expect(evbuffer_add(b, t.p, t.n) == 0, "the text is added");
	return b;
}

static void search_ends(const struct evbuffer *b, struct text t, size_t from)
{
	for (int kind = 0; kind < KINDS; kind++) {
		size_t length = 0, found = 0;
		ssize_t at =
			find_eol(t, from, (enum evbuffer_eol)kind, &length);

		expect(evbuffer_search_eol(b, from, (enum evbuffer_eol)kind,
					   &found) == at,
		       "where the line ends");
		if (at >= 0)
			expect(found == length, "how long the end is");
	}
}

static void search_needle(const struct evbuffer *b, struct text t, size_t from,
			  struct text needle)
{
	ssize_t at = -1;

	if (needle.n == 0)
		return;
	for (size_t i = from; at < 0 && i + needle.n <= t.n; i++)
		if (memcmp(t.p + i, needle.p, needle.n) == 0)
			at = (ssize_t)i;
	expect(evbuffer_search(b, from, needle.p, needle.n) == at,
	       "where the needle is");
}

/* The line's content is [0, at), its end is `length` bytes. */
static void check_line(char *line, struct text t, size_t at)
{
	expect(line, "a line");
	expect(memcmp(line, t.p, at) == 0 && line[at] == '\0', "what is in it");
	free(line);
}

/* evbuffer_readline() is short for one kind. */
static char *read_line(struct evbuffer *b, size_t *n, enum evbuffer_eol kind,
		       bool in_short)
{
	char *line;

	if (!in_short)
		return evbuffer_readln(b, n, kind);
	line = evbuffer_readline(b);
	*n = line ? strlen(line) : 0;
	return line;
}

static void read_lines(struct text t, size_t head, enum evbuffer_eol kind,
		       bool in_short)
{
	struct evbuffer *b = buffer_of(t, head);
	size_t length = 0, n = 0;
	ssize_t at;

	while ((at = find_eol(t, 0, kind, &length)) >= 0) {
		check_line(read_line(b, &n, kind, in_short), t, (size_t)at);
		expect(in_short || n == (size_t)at, "the length of the line");
		t.p += (size_t)at + length;
		t.n -= (size_t)at + length;
		expect(evbuffer_get_length(b) == t.n, "what is left");
	}
	errno = 0;
	expect(!read_line(b, &n, kind, in_short) && errno == EAGAIN && n == 0,
	       "no more lines");
	evbuffer_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input in = { bytes, n < MOST ? n : MOST };
	size_t head = input_size(&in), from = input_size(&in);
	size_t place = input_size(&in), length = input_size(&in);
	struct text t = { in.p, in.n }, needle = t;
	struct evbuffer *b = buffer_of(t, head);

	needle.p += place < t.n ? place : t.n;
	needle.n -= place < t.n ? place : t.n;
	if (length < needle.n)
		needle.n = length;
	if (from > t.n)
		from = t.n;
	search_ends(b, t, from);
	search_needle(b, t, from, needle);
	evbuffer_free(b);
	for (int kind = 0; kind < KINDS; kind++)
		read_lines(t, head, (enum evbuffer_eol)kind, false);
	read_lines(t, head, EVBUFFER_EOL_PAIR, true);
	return 0;
}
