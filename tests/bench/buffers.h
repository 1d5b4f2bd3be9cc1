/* SPDX-License-Identifier: MIT */
#ifndef BUFFERS_H
#define BUFFERS_H

/*
 * The cases of the buffer benchmark.  This library and libevent spell most of
 * their evbuffer calls alike, so the same text of the cases (buffers-cases.h)
 * is compiled once with the headers of each, in translation units of their
 * own: each gives one struct of functions.  All return nanoseconds.
 */

#include <stddef.h>
#include <stdint.h>

/* What the cases work on, made once by buffers.c. */
struct buffers_material {
	const char *text;  /* `length` bytes, without '#' */
	const char *lines; /* as many, in lines of 80 with their LF */
	size_t length;
	char *space; /* as much room */
};

struct buffers_cases {
	const char *who;
	uint64_t (*add_remove)(unsigned count, void *size);
	uint64_t (*add_remove_standing)(unsigned count, void *size);
	uint64_t (*move)(unsigned count, void *size);
	uint64_t (*readln)(unsigned count, void *unused);
	uint64_t (*backlog)(unsigned count, void *unused);
	uint64_t (*search)(unsigned count, void *needle);
};

extern struct buffers_material buffers_material;
extern const struct buffers_cases buffers_bufev, buffers_libevent;

#endif
