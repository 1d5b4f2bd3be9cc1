/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

/*
 * heap: an allocator for bufev_set_allocator() that counts what the library
 * holds, as the GNU C library would on 64 bits: with the word that it keeps
 * before each block, in steps of 16 bytes.  So the counts are the same
 * everywhere.  The size of a block stands before it.
 *
 * heap_count() is called before all else; `heap` then says what is held at the
 * moment, in bytes and in blocks, and the most that was held since `peak` was
 * last set.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <bufev.h>

static struct {
	size_t held, peak;
	long blocks;
} heap;

union heap_head {
	size_t size;
	max_align_t aligns;
};

static inline union heap_head *heap_head(void *p)
{
	return p ? (union heap_head *)p - 1 : NULL;
}

static inline size_t heap_cost(const union heap_head *head)
{
	return head ? (head->size + 8 + 15) / 16 * 16 : 0;
}

static inline void *heap_allocate(void *p, size_t n)
{
	union heap_head *head = heap_head(p);
	size_t before = heap_cost(head);

	if (n > SIZE_MAX - sizeof(*head))
		return NULL;
	head = realloc(head, sizeof(*head) + n);
	if (!head)
		return NULL;
	head->size = n;
	heap.held += heap_cost(head) - before;
	heap.blocks += !p;
	if (heap.held > heap.peak)
		heap.peak = heap.held;
	return head + 1;
}

static inline void heap_release(void *p)
{
	heap.held -= heap_cost(heap_head(p));
	heap.blocks--;
	free(heap_head(p));
}

static inline int heap_count(void)
{
	return bufev_set_allocator(heap_allocate, heap_release);
}

#endif
