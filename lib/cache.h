/* SPDX-License-Identifier: MIT */
#ifndef LIB_CACHE_H
#define LIB_CACHE_H

/*
 * cache: where the buffers of bufferevents have their storage while it is
 * needed.
 *
 * A buffer that is read into gets a block of 64 KiB that was in use a moment
 * ago, so it is hot in the processor's cache; a buffer that runs empty gives
 * it back.  So an idle connection costs no buffer memory.  What a user leaves
 * behind moves into storage of its own size when the turn settles.
 *
 * Blocks are plain allocations: they may move between buffers, reactors and
 * threads with what they hold, and anybody may free them.
 */

#include <stdbool.h>
#include <stddef.h>

#include "evbuffer.h"

enum { CACHE_BLOCK = 64 * 1024, CACHE_MOST = 64 };

struct cache {
	unsigned count;
	void *block[CACHE_MOST];
};

/*
 * Storage for reading up to n bytes; what there is may be less than n, but is
 * half a block at the least, or n.  Ends a reservation.  False: no memory.
 */
bool bufev_cache_open(struct cache *, struct evbuffer *, size_t n);

/* After use: no storage for nothing, and none that is far too large. */
void bufev_cache_settle(struct cache *, struct evbuffer *);

/* Nothing is going on: gives most blocks back, after three times all. */
void bufev_cache_trim(struct cache *);

/* All of them. */
void bufev_cache_clear(struct cache *);

#endif
