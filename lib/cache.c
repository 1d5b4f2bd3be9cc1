/* SPDX-License-Identifier: MIT */

/*
 * Three rules, each with its reason.
 *
 * What was left behind is copied to the front of a hot block as long as it is
 * under half a block: the copy is cheaper than a read into cold memory, and
 * the other half is still worth a system call.
 *
 * Storage grows only from half a block up, and by doubling.
 *
 * Storage is given up when it is empty, and replaced when it holds under a
 * quarter: so what shrinks is copied at most once for each halving.
 */

#include "cache.h"
#include "memory.h"

/*
 * Blocks side by side must not be 64 KiB apart: the first lines of all would
 * fall into the same sets of the processor's cache.
 */
enum { CACHE_STAGGER = 176 };

static void *take_block(struct cache *c)
{
	if (c->count > 0)
		return c->block[--c->count];
	return bufev_memory_resize(NULL, CACHE_BLOCK + CACHE_STAGGER);
}

static void give_storage(struct cache *c, void *base, size_t cap)
{
	if (cap == CACHE_BLOCK && c->count < CACHE_MOST)
		c->block[c->count++] = base;
	else
		bufev_memory_free(base);
}

bool bufev_cache_open(struct cache *c, struct evbuffer *b, size_t n)
{
	size_t length = bufev_ring_length(&b->ring);
	size_t room = bufev_ring_room(&b->ring);
	void *old = b->ring.base, *block;
	size_t old_cap = bufev_ring_cap(&b->ring);

	b->ring.lent = false;
	if (room >= n || room >= CACHE_BLOCK / 2)
		return true;
	if (length >= CACHE_BLOCK / 2)
		return bufev_evbuffer_grow(
			       b, n < CACHE_BLOCK ? n : CACHE_BLOCK) == 0;
	block = take_block(c);
	if (!block)
		return false;
	bufev_ring_move(&b->ring, block, CACHE_BLOCK);
	give_storage(c, old, old_cap);
	return true;
}

void bufev_cache_settle(struct cache *c, struct evbuffer *b)
{
	size_t length = bufev_ring_length(&b->ring);
	size_t old_cap = bufev_ring_cap(&b->ring), cap;
	void *old = b->ring.base, *base;

	if (old_cap == 0 || (length > 0 && length >= old_cap / 4))
		return;
	if (length == 0) {
		bufev_ring_move(&b->ring, NULL, 0);
	} else {
		cap = bufev_evbuffer_cap(length);
		base = cap < old_cap ? bufev_memory_resize(NULL, cap) : NULL;
		if (!base)
			return;
		bufev_ring_move(&b->ring, base, cap);
	}
	give_storage(c, old, old_cap);
}

static void keep(struct cache *c, unsigned count)
{
	while (c->count > count)
		bufev_memory_free(c->block[--c->count]);
}

void bufev_cache_trim(struct cache *c)
{
	keep(c, c->count / 8);
}

void bufev_cache_clear(struct cache *c)
{
	keep(c, 0);
}
