/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DIFFERENTIAL_ADAPTER_H
#define TESTS_DIFFERENTIAL_ADAPTER_H

/*
 * The same program with libevent 2.1 and with this library.
 *
 * Each script here is compiled twice, and what the two programs print is
 * compared; no translation unit and no process has both libraries.  What is
 * called alike in both (evbuffer_add(), evbuffer_readln() ...) a script calls
 * by its name; what is not goes by the names below, which are as thin as can
 * be: they translate, and mend nothing.
 *
 *   loop_open, loop_close     an event loop
 *   loop_turn                 one turn that does not wait
 *   loop_wait                 one turn; whether nothing came for so long
 *   loop_run                  turns for so many milliseconds
 *   loop_after                calls once, so many milliseconds from now
 *   loop_listen, _unlisten    accepts and closes what comes to an address
 *   stream_open, stream_close a bufferevent on a descriptor, with callbacks
 *   stream_...                the calls of bufferevents
 *   buffer_...                the calls of evbuffers
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bufferevent;
struct evbuffer;

struct loop {
	void *it;	/* a struct reactor, or a struct event_base */
	void *listener; /* of loop_listen() */
};

struct stream {
	struct bufferevent *b;
	void (*on_read)(struct stream *);
	void (*on_write)(struct stream *);
	/* "read|eof", "write|error" ..., "connected" */
	void (*on_event)(struct stream *, const char *what);
};

struct after {
	void (*fire)(struct after *);
	void *it[8]; /* whatever the library needs */
};

#ifdef ADAPTER_LIBEVENT
#include "adapter-libevent.h"
#else
#include "adapter-bufev.h"
#endif

#endif
