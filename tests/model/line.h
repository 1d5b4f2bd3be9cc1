/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_LINE_H
#define TESTS_MODEL_LINE_H

/*
 * A line of bytes: who is first in is first out.  It has room for all that a
 * world queues at one place, and is never grown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { LINE_ROOM = 1 << 15 };

struct line {
	size_t first, n;
	unsigned char p[LINE_ROOM];
};

static inline unsigned char *line_at(struct line *l, size_t i)
{
	return &l->p[(l->first + i) % LINE_ROOM];
}

/* How many of n bytes from the i-th on lie side by side. */
static inline size_t line_run(const struct line *l, size_t i, size_t n)
{
	size_t run = LINE_ROOM - (l->first + i) % LINE_ROOM;

	return n < run ? n : run;
}

static inline void line_put(struct line *l, const unsigned char *p, size_t n)
{
	size_t run = line_run(l, l->n, n);

	memcpy(line_at(l, l->n), p, run);
	memcpy(l->p, p + run, n - run);
	l->n += n;
}

static inline void line_drop(struct line *l, size_t n)
{
	l->first += n;
	l->n -= n;
}

/* In front of all others. */
static inline void line_push(struct line *l, const unsigned char *p, size_t n)
{
	l->first -= n;
	l->n += n;
	for (size_t i = 0; i < n; i++)
		*line_at(l, i) = p[i];
}

static inline bool line_is(struct line *l, size_t from, const unsigned char *p,
			   size_t n)
{
	size_t run = line_run(l, from, n);

	return memcmp(line_at(l, from), p, run) == 0 &&
	       memcmp(l->p, p + run, n - run) == 0;
}

static inline void line_move(struct line *to, struct line *from, size_t n)
{
	while (n > 0) {
		size_t run = line_run(from, 0, n);

		line_put(to, line_at(from, 0), run);
		line_drop(from, run);
		n -= run;
	}
}

#endif
