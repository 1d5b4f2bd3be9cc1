/* SPDX-License-Identifier: MIT */
#ifndef LIB_RING_H
#define LIB_RING_H

/*
 * ring: bytes in a circle.
 *
 * Its storage has a cap that is a power of two, kept as its order, or 0 where
 * there is none; `head` and `tail` run freely and are masked only where memory
 * is touched, so
 *
 *	length = tail - head          room = cap - length
 *
 * hold also when they overflow, no byte is wasted, and full is not confused
 * with empty.  Any run of bytes, and all of the room, is at most two pieces.
 * A ring of all zeros is a valid empty one.
 *
 * Nothing here allocates: storage is handed in and taken back by the caller.
 * Nothing here fails: what must be true is said before each function.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct ring {
	unsigned char *base;
	size_t head, tail;
	uint8_t order; /* of the cap: 2^order bytes; 0: no storage */
	bool lent;     /* the room is on loan to who will commit some of it */
};

static inline size_t bufev_ring_cap(const struct ring *r)
{
	return ((size_t)1 << r->order) & ~(size_t)1;
}

/* Constant time: do the invariants hold? */
bool bufev_ring_valid(const struct ring *);

static inline size_t bufev_ring_length(const struct ring *r)
{
	return r->tail - r->head;
}

static inline size_t bufev_ring_room(const struct ring *r)
{
	return bufev_ring_cap(r) - (r->tail - r->head);
}

/*
 * The bytes [from, from + n), which must be held, as pieces.  How many pieces
 * there are, 0 to 2; the others get length 0.
 */
int bufev_ring_bytes(const struct ring *, size_t from, size_t n,
		     struct iovec v[2]);

/* The first n bytes of the room, which must be there, in the same way. */
int bufev_ring_space(const struct ring *, size_t n, struct iovec v[2]);

/* n bytes of the room have become bytes. */
static inline void bufev_ring_commit(struct ring *r, size_t n)
{
	r->tail += n;
}

/* The first n bytes are gone. */
static inline void bufev_ring_drain(struct ring *r, size_t n)
{
	r->head += n;
}

/* Copy n bytes into or out of the storage, from any position on. */
void bufev_ring_put(struct ring *, size_t at, const void *data, size_t n);
void bufev_ring_get(const struct ring *, size_t at, void *out, size_t n);

/*
 * Lie the n bytes from this position on in one piece, and are there any?
 * (Pointers for no bytes might be NULL, which memcpy(3) forbids.)
 */
static inline bool bufev_ring_is_flat(const struct ring *r, size_t at, size_t n)
{
	size_t cap = bufev_ring_cap(r);

	return n - 1 < cap - (at & (cap - 1));
}

/* Copies n bytes in, at the end or before the first; the room must be there. */
static inline void bufev_ring_append(struct ring *r, const void *data, size_t n)
{
	size_t at = r->tail;

	r->tail = at + n;
	if (bufev_ring_is_flat(r, at, n))
		memcpy(r->base + (at & (bufev_ring_cap(r) - 1)), data, n);
	else
		bufev_ring_put(r, at, data, n);
}

void bufev_ring_prepend(struct ring *, const void *data, size_t n);

/* Copies the bytes [from, from + n) out; they must be held. */
static inline void bufev_ring_copy(const struct ring *r, size_t from, void *out,
				   size_t n)
{
	size_t at = r->head + from;

	if (bufev_ring_is_flat(r, at, n))
		memcpy(out, r->base + (at & (bufev_ring_cap(r) - 1)), n);
	else
		bufev_ring_get(r, at, out, n);
}

/*
 * Moves the bytes to the front of other storage, whose cap (a power of two, or
 * 0 where nothing is held) suffices.  The old storage is the caller's again.
 */
void bufev_ring_move(struct ring *, void *base, size_t cap);

/*
 * The storage has been made larger in place or by realloc: base holds the old
 * cap's bytes at its front, and cap is a larger power of two.
 */
void bufev_ring_grown(struct ring *, void *base, size_t cap);

#endif
