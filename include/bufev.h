/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_H
#define BUFEV_H

/*
 * libbufev: a buffer on each side of a file descriptor.
 *
 * This header brings all of the library but bufev/sim.h, which is for tests.
 * Each of the headers below also stands alone, as C11 and as C++17.
 */

#include <stddef.h>

#include <bufev/bufferevent.h>
#include <bufev/evbuffer.h>
#include <bufev/names.h>
#include <bufev/net.h>
#include <bufev/reactor.h>

/*
 * The version of these headers, for #if and to compare with the library's: in
 * numbers, as one number that grows, and as bufev_version() has it.
 */
#define BUFEV_VERSION_MAJOR 0
#define BUFEV_VERSION_MINOR 1
#define BUFEV_VERSION_PATCH 0
#define BUFEV_VERSION_NUMBER                                       \
	(BUFEV_VERSION_MAJOR * 10000 + BUFEV_VERSION_MINOR * 100 + \
	 BUFEV_VERSION_PATCH)
#define BUFEV_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

/* The version of the library that runs, as "MAJOR.MINOR.PATCH". */
const char *bufev_version(void);

/*
 * Lets all memory come from `allocate` (as realloc(3), also for a first
 * allocation: NULL, n) and go to `release` (as free(3), never with NULL).
 * Both NULL bring back the C library's.
 *
 * Call it before all else: memory that one allocator gave is freed by the one
 * that is in force then.  The lines that evbuffer_readln() and
 * evbuffer_readline() return are from malloc(3) always.
 *
 * Returns 0, or -1 with EINVAL where just one of the two is NULL.
 */
int bufev_set_allocator(void *(*allocate)(void *, size_t),
			void (*release)(void *));

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
