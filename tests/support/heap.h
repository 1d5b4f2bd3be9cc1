/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

/*
 * heap: an allocator for bufev_set_allocator() that counts what the library
 * holds, with the word that malloc keeps before each block.
 *
 * heap_count() is called before all else; `heap` then says what is held at the
 * moment, in bytes and in blocks, and the most that was held since `peak` was
 * last set.
 */

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include <bufev.h>

static struct {
	size_t held, peak;
	long blocks;
} heap;

static inline size_t heap_cost(void *p)
{
	return p ? malloc_usable_size(p) + sizeof(size_t) : 0;
}

static inline void *heap_allocate(void *p, size_t n)
{
	size_t before = heap_cost(p);
	void *q = realloc(p, n);

	if (!q)
		return NULL;
	heap.held += heap_cost(q) - before;
	heap.blocks += !p;
	if (heap.held > heap.peak)
		heap.peak = heap.held;
	return q;
}

static inline void heap_release(void *p)
{
	heap.held -= heap_cost(p);
	heap.blocks--;
	free(p);
}

static inline int heap_count(void)
{
	return bufev_set_allocator(heap_allocate, heap_release);
}

#endif
