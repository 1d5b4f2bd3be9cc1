/* SPDX-License-Identifier: MIT */

/*
 * Buffers that stand alone.  What each should hold is kept in a flat array
 * beside it, and compared after each operation: one that failed must have
 * changed nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "scenarios.h"

enum { FLAT_MOST = 16 * 1024 };

/* What the buffers of the world should hold. */
static struct flat {
	unsigned char byte[FLAT_MOST];
	size_t n;
} flat[2];

static const char text[] = "one line\r\nand another\nand the rest of it";

/* --- Comparing ----------------------------------------------------------- */

static void compare(struct world *w, int i, const char *call)
{
	static unsigned char got[FLAT_MOST];
	const struct evbuffer *b = w->buffer[i];
	size_t n = evbuffer_get_length(b);

	if (n != flat[i].n || evbuffer_copy(b, 0, got, FLAT_MOST) != n)
		world_complain(w, "%s: it holds %zu bytes, not %zu", call, n,
			       flat[i].n);
	else if (memcmp(got, flat[i].byte, n) != 0)
		world_complain(w, "%s: it holds other bytes", call);
	world_check(w);
}

static void append(int i, const void *data, size_t n)
{
	memcpy(flat[i].byte + flat[i].n, data, n);
	flat[i].n += n;
}

static void drop(int i, size_t n)
{
	flat[i].n -= n;
	memmove(flat[i].byte, flat[i].byte + n, flat[i].n);
}

/*
 * An operation on the buffers does its part on the arrays where it succeeded.
 * Each is tried up to twice, as the fault may pass.
 */
struct operation {
	const char *name;
	bool (*act)(struct world *);
};

static bool operate(struct world *w, const struct operation *o, size_t count)
{
	bool all = true, done;

	for (size_t i = 0; i < count; i++) {
		done = false;
		for (int tries = 0; tries < 2 && !done; tries++) {
			done = o[i].act(w);
			if (!done)
				world_refused(w, o[i].name);
			compare(w, 0, o[i].name);
			compare(w, 1, o[i].name);
		}
		all &= done;
	}
	return all;
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool make_buffers(struct world *w)
{
	flat[0].n = flat[1].n = 0;
	for (int i = 0; i < 2; i++)
		for (int tries = 0; tries < 2 && !w->buffer[i]; tries++) {
			w->buffer[i] = evbuffer_new();
			if (!w->buffer[i])
				world_refused(w, "evbuffer_new");
		}
	return w->buffer[0] && w->buffer[1];
}

/* --- Filling ------------------------------------------------------------- */

static bool add(struct world *w)
{
	if (evbuffer_add(w->buffer[0], text, sizeof(text)) < 0)
		return false;
	append(0, text, sizeof(text));
	return true;
}

static bool add_much(struct world *w)
{
	static const char much[1000] = "much";

	if (evbuffer_add(w->buffer[0], much, sizeof(much)) < 0)
		return false;
	append(0, much, sizeof(much));
	return true;
}

static bool add_pieces(struct world *w)
{
	struct iovec v[3];

	for (int i = 0; i < 3; i++)
		v[i] = (struct iovec){ (void *)(uintptr_t)text, 20 };
	if (evbuffer_add_iovec(w->buffer[0], v, 3) < 0)
		return false;
	for (int i = 0; i < 3; i++)
		append(0, text, 20);
	return true;
}

/* Longer than what is left before the end of the storage. */
static bool print(struct world *w)
{
	char line[400];
	int n = snprintf(line, sizeof(line), "%300d|%s", 7, text);

	if (evbuffer_add_printf(w->buffer[0], "%300d|%s", 7, text) != n)
		return false;
	append(0, line, (size_t)n);
	return true;
}

__attribute__((format(printf, 2, 3))) static int print_list(struct evbuffer *b,
							    const char *format,
							    ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = evbuffer_add_vprintf(b, format, list);
	va_end(list);
	return n;
}

static bool print_some(struct world *w)
{
	if (print_list(w->buffer[0], "%d", 1234) != 4)
		return false;
	append(0, "1234", 4);
	return true;
}

static bool prepend(struct world *w)
{
	const size_t n = 100;

	if (evbuffer_prepend(w->buffer[0], flat[0].byte, n) < 0)
		return false;
	memmove(flat[0].byte + n, flat[0].byte, flat[0].n);
	flat[0].n += n;
	return true;
}

static bool expand(struct world *w)
{
	return evbuffer_expand(w->buffer[0], 5000) == 0;
}

static bool reserve(struct world *w)
{
	struct iovec v[2];
	int pieces = evbuffer_reserve(w->buffer[0], 9000, v);

	if (pieces < 0)
		return false;
	memset(v[0].iov_base, 'r', 50);
	if (evbuffer_commit(w->buffer[0], 50) < 0)
		return false;
	memset(flat[0].byte + flat[0].n, 'r', 50);
	flat[0].n += 50;
	return true;
}

static void fill(struct world *w)
{
	static const struct operation operations[] = {
		{ "evbuffer_add", add },
		{ "evbuffer_add_iovec", add_pieces },
		{ "evbuffer_add_printf", print },
		{ "evbuffer_add", add_much },
		{ "evbuffer_prepend", prepend },
		{ "evbuffer_expand", expand },
		{ "evbuffer_add_vprintf", print_some },
		{ "evbuffer_reserve", reserve },
		{ "evbuffer_add_printf", print },
	};

	if (make_buffers(w))
		w->done = operate(w, operations, COUNT(operations));
}

/* --- Taking -------------------------------------------------------------- */

static bool remove_some(struct world *w)
{
	char out[10];

	if (flat[0].n < sizeof(out))
		return true;
	world_expect(w,
		     evbuffer_remove(w->buffer[0], out, sizeof(out)) ==
				     sizeof(out) &&
			     memcmp(out, flat[0].byte, sizeof(out)) == 0,
		     "evbuffer_remove took something else");
	drop(0, sizeof(out));
	return true;
}

/* Two thirds of it, so that what follows wraps. */
static bool drain(struct world *w)
{
	size_t n = flat[0].n * 2 / 3;

	world_expect(w, evbuffer_drain(w->buffer[0], n) == n,
		     "evbuffer_drain took something else");
	drop(0, n);
	return true;
}

static bool look(struct world *w)
{
	struct iovec v[2];
	int pieces = evbuffer_peek(w->buffer[0], v);

	world_expect(w, pieces <= 2 && v[0].iov_len + v[1].iov_len == flat[0].n,
		     "evbuffer_peek saw something else");
	world_expect(w,
		     evbuffer_search(w->buffer[0], 0, "no such", 7) == -1 &&
			     errno == ENOENT,
		     "evbuffer_search found what is not there");
	return true;
}

static bool pull_up(struct world *w)
{
	size_t n = flat[0].n;
	const void *p = evbuffer_pullup(w->buffer[0], SIZE_MAX);

	if (!p && n > 0)
		return false;
	world_expect(w, n == 0 || memcmp(p, flat[0].byte, n) == 0,
		     "evbuffer_pullup shows something else");
	return true;
}

/* The line that is due, of the buffer's beginning. */
static bool take_line(struct world *w, char *line, size_t length, size_t eol)
{
	if (!line)
		return errno == EAGAIN;
	world_expect(w,
		     strlen(line) == length &&
			     memcmp(line, flat[0].byte, length) == 0,
		     "another line");
	free(line);
	drop(0, length + eol);
	return true;
}

static bool read_line(struct world *w)
{
	size_t eol = 0, length = 0;
	ssize_t at =
		evbuffer_search_eol(w->buffer[0], 0, EVBUFFER_EOL_CRLF, &eol);
	char *line = evbuffer_readln(w->buffer[0], &length, EVBUFFER_EOL_CRLF);

	if (line)
		world_expect(w, at == (ssize_t)length, "another length");
	return take_line(w, line, length, eol);
}

static bool read_any_line(struct world *w)
{
	char *line = evbuffer_readline(w->buffer[0]);

	return take_line(w, line, line ? strlen(line) : 0, 1);
}

static bool clear(struct world *w)
{
	evbuffer_drain(w->buffer[0], SIZE_MAX);
	flat[0].n = 0;
	return true;
}

/* What lies in two pieces must be copied to make one of it. */
static void take(struct world *w)
{
	static const struct operation operations[] = {
		{ "evbuffer_add", add_much },
		{ "evbuffer_drain", drain },
		{ "evbuffer_add", add },
		{ "evbuffer_peek", look },
		{ "evbuffer_pullup", pull_up },
		{ "evbuffer_remove", remove_some },
		{ "evbuffer_drain", clear },
		{ "evbuffer_add", add },
		{ "evbuffer_readln", read_line },
		{ "evbuffer_readline", read_any_line },
	};

	if (make_buffers(w))
		w->done = operate(w, operations, COUNT(operations));
}

/* --- Moving -------------------------------------------------------------- */

static bool move_all(struct world *w)
{
	if (evbuffer_add_buffer(w->buffer[1], w->buffer[0]) < 0)
		return false;
	append(1, flat[0].byte, flat[0].n);
	flat[0].n = 0;
	return true;
}

static bool move_some(struct world *w)
{
	size_t n = flat[1].n < 900 ? flat[1].n : 900;
	ssize_t moved = evbuffer_remove_buffer(w->buffer[1], w->buffer[0], n);

	if (moved < 0)
		return false;
	world_expect(w, (size_t)moved == n, "another number was moved");
	append(0, flat[1].byte, n);
	drop(1, n);
	return true;
}

/* It is what the limit forbids, whatever else is wrong. */
static bool limit(struct world *w)
{
	struct evbuffer *b = w->buffer[1];

	world_expect(w, evbuffer_set_limit(b, flat[1].n + 1) == 0,
		     "no limit could be set");
	world_expect(w, evbuffer_add(b, text, 2) < 0 && errno == ENOBUFS,
		     "the limit was passed");
	world_expect(w, evbuffer_set_limit(b, 0) == 0, "the limit stays");
	return true;
}

static void move(struct world *w)
{
	static const struct operation operations[] = {
		{ "evbuffer_add", add },
		{ "evbuffer_add_buffer", move_all },
		{ "evbuffer_add", add_much },
		{ "evbuffer_add_buffer", move_all },
		{ "evbuffer_remove_buffer", move_some },
		{ "evbuffer_remove_buffer", move_some },
		{ "evbuffer_set_limit", limit },
		{ "evbuffer_add", add_much },
		{ "evbuffer_drain", drain },
		{ "evbuffer_add", add },
		/* Two pieces behind what is there. */
		{ "evbuffer_add_buffer", move_all },
	};

	if (make_buffers(w))
		w->done = operate(w, operations, COUNT(operations));
}

/* --- Descriptors --------------------------------------------------------- */

/* What was written and not yet read. */
static struct flat way;

static bool write_some(struct world *w)
{
	ssize_t n = evbuffer_write(w->buffer[0], w->fd[0], 700);

	if (n < 0)
		return false;
	memcpy(way.byte + way.n, flat[0].byte, (size_t)n);
	way.n += (size_t)n;
	drop(0, (size_t)n);
	return true;
}

static bool read_some(struct world *w)
{
	ssize_t n;

	/* The descriptor would wait. */
	if (way.n == 0)
		return true;
	n = evbuffer_read(w->buffer[1], w->fd[1], SIZE_MAX);
	if (n < 0)
		return false;
	append(1, way.byte, (size_t)n);
	way.n -= (size_t)n;
	memmove(way.byte, way.byte + n, way.n);
	return true;
}

static void through_a(struct world *w, bool (*open)(int fd[2]), bool reversed)
{
	static const struct operation operations[] = {
		{ "evbuffer_add", add_much },
		{ "evbuffer_write", write_some },
		{ "evbuffer_read", read_some },
		/* This wraps. */
		{ "evbuffer_add", add_much },
		{ "evbuffer_write", write_some },
		{ "evbuffer_write", write_some },
		{ "evbuffer_read", read_some },
		{ "evbuffer_read", read_some },
	};
	int fd[2];

	way.n = 0;
	if (!make_buffers(w) || !open(fd))
		return;
	w->fd[0] = fd[reversed];
	w->fd[1] = fd[!reversed];
	w->done = operate(w, operations, COUNT(operations));
}

static bool open_pipe(int fd[2])
{
	return pipe2(fd, O_CLOEXEC) == 0;
}

static void through_a_socket(struct world *w)
{
	through_a(w, own_pair, false);
}

static void through_a_pipe(struct world *w)
{
	through_a(w, open_pipe, true);
}

const struct scenario scenarios_of_buffers[] = {
	{ "fill a buffer", fill, NULL, NULL, BARE },
	{ "take from a buffer", take, NULL, NULL, BARE },
	{ "move between buffers", move, NULL, NULL, BARE },
	{ "a buffer through a socket", through_a_socket, NULL, NULL, BARE },
	{ "a buffer through a pipe", through_a_pipe, NULL, NULL, BARE },
	{ NULL, NULL, NULL, NULL, 0 },
};
