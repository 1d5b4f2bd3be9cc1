/* SPDX-License-Identifier: MIT */
#ifndef POSTS_H
#define POSTS_H

/*
 * The cases of the benchmark of messages between threads; one struct a
 * library.  All return nanoseconds.
 */

#include <stdint.h>

struct posts_cases {
	const char *who;
	/* A thread sends `count` messages as fast as it can; all are run. */
	uint64_t (*stream)(unsigned count, void *unused);
	/* Two loops in two threads send one message to and fro: one way. */
	uint64_t (*ping)(unsigned count, void *unused);
	/* What one send costs the sender while the last is still pending. */
	uint64_t (*again)(unsigned count, void *unused);
};

extern const struct posts_cases posts_bufev, posts_libuv;

/* The most messages of a stream that are under way at once. */
enum { POSTS_WINDOW = 4096 };

#endif
