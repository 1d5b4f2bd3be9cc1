/* SPDX-License-Identifier: MIT */
#ifndef MEMORY_BENCH_H
#define MEMORY_BENCH_H

/* What the memory benchmark asks of a library; see memory.c. */

#include <stdbool.h>

struct memory_cases {
	const char *who;
	void (*open)(void);
	/* An echoing bufferevent on fd, waiting for input. */
	void (*add)(int fd, bool timeouts);
	void (*turn)(void); /* one turn, without waiting */
};

extern const struct memory_cases memory_bufev, memory_libevent;

#endif
