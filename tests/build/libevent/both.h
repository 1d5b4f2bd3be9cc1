/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BUILD_BOTH_H
#define TESTS_BUILD_BOTH_H

/*
 * One program that holds libevent and this library: a translation unit
 * includes the headers of one or the other.  With either library a text goes
 * through a pair of sockets, and its callback leaves a letter in `trace`.
 */

#include <stddef.h>

#define BOTH_TEXT "in one process\n"

struct both {
	char text[64];
	size_t length;
	char trace;
};

/* Sends BOTH_TEXT from one end to the other, and turns until it is there. */
int both_bufev(struct both *);
int both_libevent(struct both *);

#endif
