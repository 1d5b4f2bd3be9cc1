/* SPDX-License-Identifier: MIT */

/*
 * Searching, and lines.
 *
 * A range of the buffer is at most two pieces.  Within a piece the C library
 * searches, which is much faster than a loop.  What remains are the places
 * where a needle lies over the seam; they are searched in linear time and
 * without memory by the two-way algorithm (Crochemore and Perrin, 1991), so
 * no needle, however long, makes the seam a trap.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "evbuffer.h"
#include "refuse.h"

#define NOWHERE SIZE_MAX

/* A range of a buffer: byte i is a[i], or b[i - m] where that is past m. */
struct text {
	const unsigned char *a, *b;
	size_t m, n; /* the length of a; of both */
};

static struct text text_from(const struct evbuffer *buffer, size_t from)
{
	size_t n = bufev_ring_length(&buffer->ring) - from;
	struct iovec v[2];

	bufev_ring_bytes(&buffer->ring, from, n, v);
	return (struct text){ v[0].iov_base, v[1].iov_base, v[0].iov_len, n };
}

static inline unsigned char at(const struct text *t, size_t i)
{
	return i < t->m ? t->a[i] : t->b[i - t->m];
}

static inline size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t greater(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void look(const struct evbuffer *b)
{
	if (BUFEV_CHECKS)
		bufev_check(bufev_evbuffer_valid(b),
			    "an evbuffer is broken, or was freed.");
}

/* --- A needle over the seam ---------------------------------------------- */

struct needle {
	const unsigned char *x;
	size_t n;
	size_t split;  /* the critical position: the right part begins here */
	size_t period; /* how far to move when all has matched but the left */
	bool repeats;  /* the period is that of the whole needle */
};

/*
 * Where the greatest suffix begins, by the order of bytes or by its reverse,
 * and the period of that suffix.
 */
static size_t greatest_suffix(const struct needle *s, bool reverse,
			      size_t *period)
{
	size_t best = 0, other = 1, k = 0, p = 1;

	while (other + k < s->n) {
		unsigned char old = s->x[best + k], new = s->x[other + k];

		if (new == old) {
			if (++k == p) {
				other += p;
				k = 0;
			}
		} else if ((new < old) != reverse) {
			other += k + 1;
			k = 0;
			p = other - best;
		} else {
			best = other++;
			k = 0;
			p = 1;
		}
	}
	*period = p;
	return best;
}

static struct needle prepare(const void *x, size_t n)
{
	struct needle s = { .x = x, .n = n };
	size_t period, reverse_period;
	size_t split = greatest_suffix(&s, false, &period);
	size_t reverse_split = greatest_suffix(&s, true, &reverse_period);

	if (reverse_split > split) {
		split = reverse_split;
		period = reverse_period;
	}
	s.split = split;
	s.repeats = memcmp(s.x, s.x + period, split) == 0;
	s.period = s.repeats ? period : greater(split, n - split) + 1;
	return s;
}

/* Where it first begins in the text; NOWHERE where it does not. */
static size_t find_across(const struct text *t, const struct needle *s)
{
	size_t pos = 0, known = 0, i;

	while (s->n <= t->n && pos <= t->n - s->n) {
		i = greater(s->split, known);
		while (i < s->n && s->x[i] == at(t, pos + i))
			i++;
		if (i < s->n) {
			pos += i - s->split + 1;
			known = 0;
			continue;
		}
		i = s->split;
		while (i > known && s->x[i - 1] == at(t, pos + i - 1))
			i--;
		if (i <= known)
			return pos;
		pos += s->period;
		known = s->repeats ? s->n - s->period : 0;
	}
	return NOWHERE;
}

/* --- A needle ------------------------------------------------------------ */

/*
 * memchr(3) hops to the first byte of the needle as long as the hops are long:
 * nothing is faster.  Then memmem(3) does what is left.
 */
static size_t find_in_piece(const unsigned char *piece, size_t length,
			    const unsigned char *needle, size_t n)
{
	enum { MISSES = 16, WORTHWHILE = 128 };
	const unsigned char *from = piece, *hit;
	size_t misses = 0;

	while (length - (size_t)(from - piece) >= n) {
		size_t rest = length - (size_t)(from - piece);

		if (misses > MISSES + (size_t)(from - piece) / WORTHWHILE) {
			hit = memmem(from, rest, needle, n);
			return hit ? (size_t)(hit - piece) : NOWHERE;
		}
		hit = memchr(from, needle[0], rest - n + 1);
		if (!hit)
			return NOWHERE;
		if (memcmp(hit, needle, n) == 0)
			return (size_t)(hit - piece);
		misses++;
		from = hit + 1;
	}
	return NOWHERE;
}

static size_t find(const struct text *t, const unsigned char *x, size_t n)
{
	size_t found, before = lesser(t->m, n - 1);
	size_t behind = lesser(t->n - t->m, n - 1);

	found = find_in_piece(t->a, t->m, x, n);
	if (found != NOWHERE || t->n == t->m)
		return found;
	if (before > 0 && before + behind >= n) {
		struct text seam = { t->a + t->m - before, t->b, before,
				     before + behind };
		struct needle s = prepare(x, n);

		found = find_across(&seam, &s);
		if (found != NOWHERE)
			return t->m - before + found;
	}
	found = find_in_piece(t->b, t->n - t->m, x, n);
	return found == NOWHERE ? found : t->m + found;
}

ssize_t evbuffer_search(const struct evbuffer *b, size_t from,
			const void *needle, size_t n)
{
	struct text t;
	size_t found;

	look(b);
	if (n == 0 || from > bufev_ring_length(&b->ring))
		return bufev_refuse(EINVAL);
	t = text_from(b, from);
	found = find(&t, needle, n);
	return found == NOWHERE ? bufev_refuse(ENOENT) :
				  (ssize_t)(from + found);
}

/* --- The end of a line --------------------------------------------------- */

struct eol {
	size_t at, length;
};

static size_t find_byte(const struct text *t, size_t from, unsigned char c)
{
	const unsigned char *hit = NULL;

	if (from < t->m) {
		hit = memchr(t->a + from, c, t->m - from);
		if (hit)
			return (size_t)(hit - t->a);
		from = t->m;
	}
	if (from < t->n)
		hit = memchr(t->b + (from - t->m), c, t->n - from);
	return hit ? t->m + (size_t)(hit - t->b) : NOWHERE;
}

static inline bool is_break(unsigned char c)
{
	return c == '\r' || c == '\n';
}

/*
 * The first CR or LF.  Were each searched to the end, a text that has only one
 * of them would be read as a whole for each of its lines; so both are searched
 * in a window that doubles.
 */
static size_t find_break(const struct text *t)
{
	struct text window = *t;
	size_t from = 0, size = 64, cr, lf;

	while (from < t->n) {
		window.n = t->n - from > size ? from + size : t->n;
		window.m = lesser(t->m, window.n);
		lf = find_byte(&window, from, '\n');
		window.n = lesser(window.n, lf);
		window.m = lesser(window.m, window.n);
		cr = find_byte(&window, from, '\r');
		if (cr != NOWHERE || lf != NOWHERE)
			return lesser(cr, lf);
		from = window.n;
		size *= 2;
	}
	return NOWHERE;
}

/* LF, and the CR before it: where `strict`, only with it. */
static bool find_crlf(const struct text *t, bool strict, struct eol *eol)
{
	size_t lf = find_byte(t, 0, '\n');

	while (strict && lf != NOWHERE && (lf == 0 || at(t, lf - 1) != '\r'))
		lf = find_byte(t, lf + 1, '\n');
	if (lf == NOWHERE)
		return false;
	*eol = (struct eol){ lf, 1 };
	if (lf > 0 && at(t, lf - 1) == '\r')
		*eol = (struct eol){ lf - 1, 2 };
	return true;
}

/* Any run of CR and LF. */
static bool find_run(const struct text *t, struct eol *eol)
{
	size_t end, found = find_break(t);

	if (found == NOWHERE)
		return false;
	end = found + 1;
	while (end < t->n && is_break(at(t, end)))
		end++;
	*eol = (struct eol){ found, end - found };
	return true;
}

/* CR or LF, and its partner where that follows. */
static bool find_pair(const struct text *t, struct eol *eol)
{
	size_t found = find_break(t);

	if (found == NOWHERE)
		return false;
	*eol = (struct eol){ found, 1 };
	if (found + 1 < t->n && is_break(at(t, found + 1)) &&
	    at(t, found + 1) != at(t, found))
		eol->length = 2;
	return true;
}

static bool find_single(const struct text *t, unsigned char c, struct eol *eol)
{
	*eol = (struct eol){ find_byte(t, 0, c), 1 };
	return eol->at != NOWHERE;
}

/* 0 or an errno. */
static int find_eol(const struct text *t, enum evbuffer_eol kind,
		    struct eol *eol)
{
	bool found;

	switch (kind) {
	case EVBUFFER_EOL_ANY:
		found = find_run(t, eol);
		break;
	case EVBUFFER_EOL_CRLF:
		found = find_crlf(t, false, eol);
		break;
	case EVBUFFER_EOL_CRLF_STRICT:
		found = find_crlf(t, true, eol);
		break;
	case EVBUFFER_EOL_LF:
		found = find_single(t, '\n', eol);
		break;
	case EVBUFFER_EOL_NUL:
		found = find_single(t, '\0', eol);
		break;
	case EVBUFFER_EOL_PAIR:
		found = find_pair(t, eol);
		break;
	default:
		return EINVAL;
	}
	return found ? 0 : ENOENT;
}

ssize_t evbuffer_search_eol(const struct evbuffer *b, size_t from,
			    enum evbuffer_eol kind, size_t *eol_len)
{
	struct text t;
	struct eol eol;
	int error;

	look(b);
	if (from > bufev_ring_length(&b->ring))
		return bufev_refuse(EINVAL);
	t = text_from(b, from);
	error = find_eol(&t, kind, &eol);
	if (error)
		return bufev_refuse(error);
	if (eol_len)
		*eol_len = eol.length;
	return (ssize_t)(from + eol.at);
}

/* --- Lines --------------------------------------------------------------- */

/* The line is the application's to free(3), so it is not from memory.h. */
static char *take_line(struct evbuffer *b, const struct eol *eol)
{
	char *line = malloc(eol->at + 1);

	if (!line) {
		errno = ENOMEM;
		return NULL;
	}
	bufev_ring_copy(&b->ring, 0, line, eol->at);
	line[eol->at] = '\0';
	evbuffer_drain(b, eol->at + eol->length);
	return line;
}

char *evbuffer_readln(struct evbuffer *b, size_t *len, enum evbuffer_eol kind)
{
	struct text t;
	struct eol eol;
	char *line = NULL;
	int error;

	look(b);
	b->ring.lent = false;
	t = text_from(b, 0);
	error = find_eol(&t, kind, &eol);
	if (error)
		errno = error == ENOENT ? EAGAIN : error;
	else
		line = take_line(b, &eol);
	if (len)
		*len = line ? eol.at : 0;
	return line;
}

char *evbuffer_readline(struct evbuffer *b)
{
	return evbuffer_readln(b, NULL, EVBUFFER_EOL_PAIR);
}
