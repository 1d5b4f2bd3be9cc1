/* SPDX-License-Identifier: MIT */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

/* All memory of the library comes from here: see bufev_set_allocator(). */

#include <stddef.h>

/* As realloc(3), also for a first allocation.  NULL: errno is ENOMEM. */
void *bufev_memory_resize(void *old, size_t n);

/* The same for a new, zeroed piece. */
void *bufev_memory_zeroed(size_t n);

/* NULL is fine. */
void bufev_memory_free(void *);

#endif
