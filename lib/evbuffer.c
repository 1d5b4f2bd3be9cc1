/* SPDX-License-Identifier: MIT */

/*
 * Bytes: a ring with storage, a limit, and perhaps an owner.
 *
 * Each call has the same four steps.  It begins: under checks the invariants
 * are looked at, and a reservation ends, also where the call then fails (but
 * for a commit of too much, which a smaller one may make good).  It asks for
 * what it needs, which is all that can fail.  It changes the ring, which
 * cannot.  Last it tells the owner.
 *
 * Lengths are at most SSIZE_MAX, so that every position fits into the results
 * of the searches.  A ring that runs empty starts again at the front of its
 * storage, which is warm and will not wrap so soon.
 */

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "check.h"
#include "evbuffer.h"
#include "kernel-posix.h"
#include "memory.h"
#include "refuse.h"

enum { STORAGE_LEAST = 128, READ_MOST = 64 * 1024 };

bool bufev_evbuffer_valid(const struct evbuffer *b)
{
	return bufev_ring_valid(&b->ring) &&
	       (!b->ring.lent || bufev_ring_room(&b->ring) > 0);
}

static inline void look(const struct evbuffer *b)
{
	if (BUFEV_CHECKS)
		bufev_check(bufev_evbuffer_valid(b),
			    "an evbuffer is broken, or was freed.");
}

static inline void begin(struct evbuffer *b)
{
	look(b);
	b->ring.lent = false;
}

static inline void changed(struct evbuffer *b)
{
	if (b->owner)
		b->owner->changed(b);
}

static inline size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- Storage ------------------------------------------------------------- */

size_t bufev_evbuffer_cap(size_t n)
{
	size_t cap = STORAGE_LEAST;

	while (cap < n && cap > 0)
		cap <<= 1;
	return cap;
}

/* Other storage, with the same bytes at its front. */
static int replace_storage(struct evbuffer *b, size_t cap)
{
	void *old = b->ring.base, *base = bufev_memory_resize(NULL, cap);

	if (!base)
		return ENOMEM;
	bufev_ring_move(&b->ring, base, cap);
	bufev_memory_free(old);
	return 0;
}

/* realloc() copies what is no content, too: not where that is the most. */
int bufev_evbuffer_grow(struct evbuffer *b, size_t n)
{
	size_t length = bufev_ring_length(&b->ring), cap;
	void *base;

	if (n <= bufev_ring_room(&b->ring))
		return 0;
	if (n > SSIZE_MAX - length)
		return EOVERFLOW;
	cap = bufev_evbuffer_cap(length + n);
	if (b->ring.order == 0 || length < bufev_ring_cap(&b->ring) / 2)
		return replace_storage(b, cap);
	base = bufev_memory_resize(b->ring.base, cap);
	if (!base)
		return ENOMEM;
	bufev_ring_grown(&b->ring, base, cap);
	return 0;
}

/* May n bytes be added?  0 or an errno. */
static int admit(const struct evbuffer *b, size_t n)
{
	if (n > SSIZE_MAX - bufev_ring_length(&b->ring))
		return EOVERFLOW;
	return n > bufev_evbuffer_admits(b) ? ENOBUFS : 0;
}

static int find_room(struct evbuffer *b, size_t n)
{
	int error = admit(b, n);

	if (!error)
		error = bufev_evbuffer_grow(b, n);
	return error ? bufev_refuse(error) : 0;
}

/* 0, or -1 with errno. */
static inline int make_room(struct evbuffer *b, size_t n)
{
	if (b->limit == 0 && n <= bufev_ring_room(&b->ring))
		return 0;
	return find_room(b, n);
}

static inline void drop(struct ring *r, size_t n)
{
	bufev_ring_drain(r, n);
	if (r->head == r->tail)
		r->head = r->tail = 0;
}

void bufev_evbuffer_reset(struct evbuffer *b)
{
	bufev_memory_free(b->ring.base);
	b->ring = (struct ring){ .base = NULL };
	b->ring.lent = false;
}

/* --- Life and size ------------------------------------------------------- */

struct evbuffer *evbuffer_new(void)
{
	return bufev_memory_zeroed(sizeof(struct evbuffer));
}

void evbuffer_free(struct evbuffer *b)
{
	if (!b)
		return;
	begin(b);
	bufev_check(
		!b->owner,
		"evbuffer_free of a borrowed buffer: a bufferevent owns it.");
	if (b->owner)
		return;
	bufev_evbuffer_reset(b);
	bufev_memory_free(b);
}

size_t evbuffer_get_length(const struct evbuffer *b)
{
	look(b);
	return bufev_ring_length(&b->ring);
}

int evbuffer_set_limit(struct evbuffer *b, size_t max)
{
	int error;

	begin(b);
	error = b->owner ? b->owner->check_limit(b, max) : 0;
	if (error)
		return bufev_refuse(error);
	b->limit = max;
	changed(b);
	return 0;
}

/* --- Adding -------------------------------------------------------------- */

int evbuffer_add(struct evbuffer *b, const void *data, size_t n)
{
	begin(b);
	if (make_room(b, n) < 0)
		return -1;
	bufev_ring_append(&b->ring, data, n);
	changed(b);
	return 0;
}

int evbuffer_add_iovec(struct evbuffer *b, const struct iovec *pieces,
		       int count)
{
	size_t sum = 0;
	int i;

	begin(b);
	if (count < 0)
		return bufev_refuse(EINVAL);
	for (i = 0; i < count; i++) {
		if (pieces[i].iov_len > SSIZE_MAX - sum)
			return bufev_refuse(EOVERFLOW);
		sum += pieces[i].iov_len;
	}
	if (make_room(b, sum) < 0)
		return -1;
	for (i = 0; i < count; i++)
		bufev_ring_append(&b->ring, pieces[i].iov_base,
				  pieces[i].iov_len);
	changed(b);
	return 0;
}

int evbuffer_add_printf(struct evbuffer *b, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = evbuffer_add_vprintf(b, format, list);
	va_end(list);
	return n;
}

/*
 * Prints behind the last byte, as far as that goes without wrapping.  Was it
 * all?  *n is what vsnprintf(3) returned.
 */
BUFEV_PRINTF(3, 0)
static bool print_in_place(struct evbuffer *b, int *n, const char *format,
			   va_list list)
{
	struct iovec v[2];
	va_list copy;
	size_t room;

	bufev_ring_space(&b->ring, bufev_ring_room(&b->ring), v);
	room = lesser(v[0].iov_len, INT_MAX);
	va_copy(copy, list);
	*n = vsnprintf(v[0].iov_base, room, format, copy);
	va_end(copy);
	return *n >= 0 && (size_t)*n < room;
}

/* Adds n bytes by way of other memory; the room is there.  0 or an errno. */
BUFEV_PRINTF(3, 0)
static int print_aside(struct evbuffer *b, size_t n, const char *format,
		       va_list list)
{
	char *text = bufev_memory_resize(NULL, n + 1);
	int error = 0;

	if (!text)
		return ENOMEM;
	if (vsnprintf(text, n + 1, format, list) < 0)
		error = errno;
	else
		bufev_ring_append(&b->ring, text, n);
	bufev_memory_free(text);
	return error;
}

/* The same, with more room: in place, unless the wrap divides it. */
BUFEV_PRINTF(3, 0)
static int print_again(struct evbuffer *b, size_t n, const char *format,
		       va_list list)
{
	int again, error = bufev_evbuffer_grow(b, n + 1);

	if (error)
		return error;
	if (!print_in_place(b, &again, format, list))
		return print_aside(b, n, format, list);
	bufev_ring_commit(&b->ring, n);
	return 0;
}

/* Where the first try finds no place for all, it still tells the length. */
int evbuffer_add_vprintf(struct evbuffer *b, const char *format, va_list list)
{
	bool done;
	int n, error;

	begin(b);
	done = print_in_place(b, &n, format, list);
	if (n < 0)
		return -1;
	error = admit(b, (size_t)n);
	if (!error && !done)
		error = print_again(b, (size_t)n, format, list);
	if (error)
		return bufev_refuse(error);
	if (done)
		bufev_ring_commit(&b->ring, (size_t)n);
	changed(b);
	return n;
}

int evbuffer_prepend(struct evbuffer *b, const void *data, size_t n)
{
	begin(b);
	if (make_room(b, n) < 0)
		return -1;
	bufev_ring_prepend(&b->ring, data, n);
	changed(b);
	return 0;
}

/* --- Moving between buffers ---------------------------------------------- */

/*
 * Would trading storage be worth it?  It costs less than a copy, but few bytes
 * must not hold large storage for long; between owners they do not, as theirs
 * is looked at when the turn settles.
 */
static bool is_worth_trading(const struct evbuffer *dst,
			     const struct evbuffer *src)
{
	size_t n = bufev_ring_length(&src->ring);

	if (n == 0 || bufev_ring_length(&dst->ring) > 0)
		return false;
	return n >= bufev_ring_cap(&src->ring) / 4 ||
	       (dst->owner && src->owner);
}

static void trade(struct ring *dst, struct ring *src)
{
	struct ring empty = *dst;

	*dst = *src;
	*src = empty;
	src->head = src->tail = 0;
}

static int copy_over(struct evbuffer *dst, struct evbuffer *src, size_t n)
{
	struct iovec v[2];

	if (make_room(dst, n) < 0)
		return -1;
	bufev_ring_bytes(&src->ring, 0, n, v);
	bufev_ring_append(&dst->ring, v[0].iov_base, v[0].iov_len);
	if (v[1].iov_len > 0)
		bufev_ring_append(&dst->ring, v[1].iov_base, v[1].iov_len);
	drop(&src->ring, n);
	return 0;
}

ssize_t evbuffer_remove_buffer(struct evbuffer *src, struct evbuffer *dst,
			       size_t n)
{
	size_t length = bufev_ring_length(&src->ring);
	int error;

	begin(src);
	begin(dst);
	if (dst == src)
		return bufev_refuse(EINVAL);
	n = lesser(n, length);
	error = admit(dst, n);
	if (error)
		return bufev_refuse(error);
	if (n == length && is_worth_trading(dst, src))
		trade(&dst->ring, &src->ring);
	else if (copy_over(dst, src, n) < 0)
		return -1;
	changed(dst);
	changed(src);
	return (ssize_t)n;
}

int evbuffer_add_buffer(struct evbuffer *dst, struct evbuffer *src)
{
	return evbuffer_remove_buffer(src, dst, SIZE_MAX) < 0 ? -1 : 0;
}

/* --- Taking -------------------------------------------------------------- */

size_t evbuffer_remove(struct evbuffer *b, void *out, size_t n)
{
	begin(b);
	n = lesser(n, bufev_ring_length(&b->ring));
	bufev_ring_copy(&b->ring, 0, out, n);
	drop(&b->ring, n);
	changed(b);
	return n;
}

size_t evbuffer_copy(const struct evbuffer *b, size_t from, void *out, size_t n)
{
	size_t length = bufev_ring_length(&b->ring);

	look(b);
	if (from > length)
		return 0;
	n = lesser(n, length - from);
	bufev_ring_copy(&b->ring, from, out, n);
	return n;
}

size_t evbuffer_drain(struct evbuffer *b, size_t n)
{
	begin(b);
	n = lesser(n, bufev_ring_length(&b->ring));
	drop(&b->ring, n);
	changed(b);
	return n;
}

/* --- Looking, without a copy --------------------------------------------- */

int evbuffer_peek(const struct evbuffer *b, struct iovec v[2])
{
	look(b);
	return bufev_ring_bytes(&b->ring, 0, bufev_ring_length(&b->ring), v);
}

/* Other storage of the same size costs little: at most once for each wrap. */
void *evbuffer_pullup(struct evbuffer *b, size_t n)
{
	size_t length = bufev_ring_length(&b->ring);
	struct iovec v[2];
	int error = 0;

	begin(b);
	if (n == SIZE_MAX)
		n = length;
	if (n > length)
		error = EINVAL;
	else if (bufev_ring_bytes(&b->ring, 0, n, v) == 2)
		error = replace_storage(b, bufev_ring_cap(&b->ring));
	if (error) {
		errno = error;
		return NULL;
	}
	bufev_ring_bytes(&b->ring, 0, n, v);
	return v[0].iov_base;
}

/* --- Filling, without a copy --------------------------------------------- */

int evbuffer_expand(struct evbuffer *b, size_t n)
{
	begin(b);
	return make_room(b, n);
}

/* What a reservation lends: all of the room that the limit admits. */
static size_t lendable(const struct evbuffer *b)
{
	return lesser(bufev_ring_room(&b->ring), bufev_evbuffer_admits(b));
}

int evbuffer_reserve(struct evbuffer *b, size_t n, struct iovec v[2])
{
	begin(b);
	if (n == 0)
		return bufev_refuse(EINVAL);
	if (make_room(b, n) < 0)
		return -1;
	b->ring.lent = true;
	return bufev_ring_space(&b->ring, lendable(b), v);
}

/* One that fails leaves the reservation as it was. */
int evbuffer_commit(struct evbuffer *b, size_t n)
{
	look(b);
	if (!b->ring.lent || n > lendable(b))
		return bufev_refuse(EINVAL);
	b->ring.lent = false;
	bufev_ring_commit(&b->ring, n);
	changed(b);
	return 0;
}

/* --- File descriptors ---------------------------------------------------- */

/* How much to read, and room for it.  0 or an errno. */
static int prepare_read(struct evbuffer *b, size_t *max)
{
	size_t room = bufev_ring_room(&b->ring);
	size_t n = lesser(*max, bufev_evbuffer_admits(b));

	if (n == 0)
		return *max == 0 ? 0 : ENOBUFS;
	/* Half of the most is worth a system call; growing for more is not. */
	n = lesser(n, room < READ_MOST / 2 ? READ_MOST : room);
	*max = n;
	return bufev_evbuffer_grow(b, n);
}

ssize_t evbuffer_read(struct evbuffer *b, int fd, size_t max)
{
	struct iovec v[2];
	ssize_t done;
	int pieces, error;

	begin(b);
	error = prepare_read(b, &max);
	if (error)
		return bufev_refuse(error);
	if (max == 0)
		return 0;
	pieces = bufev_ring_space(&b->ring, max, v);
	done = bufev_posix_move(fd, false, v, pieces);
	if (done < 0)
		return bufev_refuse((int)-done);
	bufev_ring_commit(&b->ring, (size_t)done);
	changed(b);
	return done;
}

ssize_t evbuffer_write(struct evbuffer *b, int fd, size_t max)
{
	struct iovec v[2];
	ssize_t done;
	int pieces;

	begin(b);
	pieces = bufev_ring_bytes(&b->ring, 0,
				  lesser(max, bufev_ring_length(&b->ring)), v);
	if (pieces == 0)
		return 0;
	done = bufev_posix_move(fd, true, v, pieces);
	if (done < 0)
		return bufev_refuse((int)-done);
	drop(&b->ring, (size_t)done);
	changed(b);
	return done;
}
