/* SPDX-License-Identifier: MIT */
#ifndef LIB_EVBUFFER_H
#define LIB_EVBUFFER_H

/*
 * What the other files may know of an evbuffer.
 *
 * A bufferevent embeds two.  Such a buffer has an owner, which is told of each
 * change that a public call makes; the bufferevent's own input and output go
 * to the ring directly and are not told.
 *
 * All zero is a valid empty buffer, with no storage and no owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev/evbuffer.h>

#include "ring.h"

struct evbuffer_owner {
	/* A public call has added, drained, moved or limited. */
	void (*changed)(struct evbuffer *);
	/* May the limit be set so?  0, or an errno. */
	int (*check_limit)(const struct evbuffer *, size_t max);
};

struct evbuffer {
	struct ring ring;
	size_t limit; /* the most it may hold; 0: no limit */
	const struct evbuffer_owner *owner; /* NULL: standalone */
};

/* Constant time: do the invariants hold? */
bool bufev_evbuffer_valid(const struct evbuffer *);

/* Drops the bytes and the storage; the owner is not told. */
void bufev_evbuffer_reset(struct evbuffer *);

/* How many more bytes the limit admits. */
static inline size_t bufev_evbuffer_admits(const struct evbuffer *b)
{
	size_t length = bufev_ring_length(&b->ring);

	if (b->limit == 0)
		return SIZE_MAX - length;
	return b->limit > length ? b->limit - length : 0;
}

/*
 * Storage for n more bytes, without regard to the limit, the owner or a
 * reservation.  0 or an errno.
 */
int bufev_evbuffer_grow(struct evbuffer *, size_t n);

/* The smallest storage that holds n bytes; 0 where no power of two does. */
size_t bufev_evbuffer_cap(size_t n);

#endif
