/* SPDX-License-Identifier: MIT */
#ifndef LIB_TRACE_H
#define LIB_TRACE_H

/*
 * trace: what a reactor does, for the eye, on standard error.
 *
 * Where $BUFEV_DEBUG is set (and not "0") when a reactor is made, each thing
 * that happens in its turns is one line: the time, the turn's number, who, and
 * what.
 *
 *	bufev 8123.456 turn 17: client (fd 7) reads 64 bytes, holds 64
 *
 * Where it is not set, an event costs a look at one byte of the reactor, which
 * is at hand.  So these are only called where bufev_traces() says yes.
 */

#include <stdbool.h>

#include "bufferevent.h"
#include "reactor.h"

/* Is tracing asked for? */
bool bufev_trace_wanted(void);

static inline bool bufev_traces(const struct reactor *r)
{
	return __builtin_expect(r->traced, false);
}

/* One line of the reactor, or of one of its bufferevents; leaves errno. */
__attribute__((format(printf, 2, 3))) void bufev_trace(const struct reactor *,
						       const char *format, ...);
__attribute__((format(printf, 2, 3))) void bufev_trace_stream(
	const struct bufferevent *, const char *format, ...);

#endif
