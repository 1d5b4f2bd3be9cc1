/* SPDX-License-Identifier: MIT */

/*
 * Positions run freely; only here are they masked into memory.  Everything
 * comes down to one question, which piece() answers: from this position on,
 * how much lies in one piece before the storage ends?
 *
 * No memcpy() is called for no bytes: its pointers might be NULL then, which
 * the standard forbids.
 */

#include <limits.h>
#include <string.h>

#include "ring.h"

/* Of a power of two; of 0, for no storage, it is 0 as well. */
static uint8_t order_of(size_t cap)
{
	return cap ? (uint8_t)__builtin_ctzll(cap) : 0;
}

bool bufev_ring_valid(const struct ring *r)
{
	return r->order < sizeof(size_t) * CHAR_BIT &&
	       (r->order == 0) == !r->base &&
	       bufev_ring_length(r) <= bufev_ring_cap(r);
}

/* The part of [at, at + n), which is not empty, before the storage ends. */
static struct iovec piece(const struct ring *r, size_t at, size_t n)
{
	size_t cap = bufev_ring_cap(r);
	size_t offset = at & (cap - 1), rest = cap - offset;

	return (struct iovec){ r->base + offset, n < rest ? n : rest };
}

static int divide(const struct ring *r, size_t at, size_t n, struct iovec v[2])
{
	v[0] = (struct iovec){ NULL, 0 };
	v[1] = v[0];
	if (n == 0)
		return 0;
	v[0] = piece(r, at, n);
	if (v[0].iov_len == n)
		return 1;
	v[1] = (struct iovec){ r->base, n - v[0].iov_len };
	return 2;
}

int bufev_ring_bytes(const struct ring *r, size_t from, size_t n,
		     struct iovec v[2])
{
	return divide(r, r->head + from, n, v);
}

int bufev_ring_space(const struct ring *r, size_t n, struct iovec v[2])
{
	return divide(r, r->tail, n, v);
}

void bufev_ring_put(struct ring *r, size_t at, const void *data, size_t n)
{
	struct iovec v[2];

	if (divide(r, at, n, v) > 0)
		memcpy(v[0].iov_base, data, v[0].iov_len);
	if (v[1].iov_len > 0)
		memcpy(v[1].iov_base,
		       (const unsigned char *)data + v[0].iov_len,
		       v[1].iov_len);
}

void bufev_ring_get(const struct ring *r, size_t at, void *out, size_t n)
{
	struct iovec v[2];

	if (divide(r, at, n, v) > 0)
		memcpy(out, v[0].iov_base, v[0].iov_len);
	if (v[1].iov_len > 0)
		memcpy((unsigned char *)out + v[0].iov_len, v[1].iov_base,
		       v[1].iov_len);
}

void bufev_ring_prepend(struct ring *r, const void *data, size_t n)
{
	r->head -= n;
	bufev_ring_put(r, r->head, data, n);
}

void bufev_ring_move(struct ring *r, void *base, size_t cap)
{
	size_t length = bufev_ring_length(r);

	bufev_ring_copy(r, 0, base, length);
	*r = (struct ring){ base, 0, length, order_of(cap), false };
}

/*
 * What had wrapped to the front goes behind what was the end: that makes one
 * piece of it, and it fits, as the storage has doubled at the least.
 */
void bufev_ring_grown(struct ring *r, void *base, size_t cap)
{
	size_t length = bufev_ring_length(r), old = bufev_ring_cap(r);
	size_t head = old ? r->head & (old - 1) : 0;

	*r = (struct ring){ base, head, head + length, order_of(cap), false };
	if (head + length > old && old > 0)
		memcpy(r->base + old, r->base, head + length - old);
}
