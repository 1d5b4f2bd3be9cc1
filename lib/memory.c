/* SPDX-License-Identifier: MIT */

/*
 * One pair of functions, which the application may replace.  They are plain
 * variables: the contract says that they are set before all else, hence
 * before there is a second thread to read them.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bufev.h>

#include "memory.h"

static void *(*allocate)(void *, size_t) = realloc;
static void (*release)(void *) = free;

int bufev_set_allocator(void *(*new_allocate)(void *, size_t),
			void (*new_release)(void *))
{
	if (!new_allocate != !new_release) {
		errno = EINVAL;
		return -1;
	}
	allocate = new_allocate ? new_allocate : realloc;
	release = new_release ? new_release : free;
	return 0;
}

/*
 * No object can be larger than PTRDIFF_MAX; some allocators give one all the
 * same, and some checkers abort where one is asked for.
 */
void *bufev_memory_resize(void *old, size_t n)
{
	void *p = n > PTRDIFF_MAX ? NULL : allocate(old, n);

	if (!p)
		errno = ENOMEM;
	return p;
}

void *bufev_memory_zeroed(size_t n)
{
	void *p = bufev_memory_resize(NULL, n);

	return p ? memset(p, 0, n) : NULL;
}

void bufev_memory_free(void *p)
{
	if (p)
		release(p);
}
