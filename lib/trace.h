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
 * is at hand; all else is out of the way of the code that moves bytes.
 */

#include <stdbool.h>

#include "bufferevent.h"
#include "reactor.h"

/* What happens to a bufferevent, and what the number with it is. */
enum trace_event {
	TRACE_CONNECTED, /* 0 */
	TRACE_READ,	 /* bytes */
	TRACE_END,	 /* 0 */
	TRACE_SENT,	 /* bytes */
	TRACE_FAILED,	 /* errno */
	TRACE_CALL	 /* what the callback is told */
};

/* Is tracing asked for? */
bool bufev_trace_wanted(void);

static inline bool bufev_traces(const struct reactor *r)
{
	return __builtin_expect(r->traced, false);
}

/* One line; to be called where bufev_traces() says yes.  Leaves errno. */
__attribute__((cold, format(printf, 2, 3))) void bufev_trace(
	const struct reactor *, const char *format, ...);

__attribute__((cold)) void bufev_trace_event(const struct bufferevent *,
					     enum trace_event, size_t);

static inline void bufev_trace_stream(const struct bufferevent *b,
				      enum trace_event event, size_t n)
{
	if (bufev_traces(b->watch.reactor))
		bufev_trace_event(b, event, n);
}

#endif
